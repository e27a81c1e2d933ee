# fish completion for mailctl. Made by `make completions` from the command tree; not edited by hand.

function __mailctl_config
    set -l words (commandline -opc)
    set -l at (contains -i -- --config-dir $words)
    if test -n "$at" -a "$at" -lt (count $words)
        echo $words[(math $at + 1)]
    else if set -q MAILCTL_CONFIG_DIR
        echo $MAILCTL_CONFIG_DIR
    else if set -q XDG_CONFIG_HOME
        echo $XDG_CONFIG_HOME/mailctl
    else
        echo $HOME/.config/mailctl
    end
end

function __mailctl_names -a kind # servers or gateways: the names of the files in the configuration folder
    for file in (__mailctl_config)/$kind/*.toml
        string replace -r '.*/(.*)\.toml$' '$1' -- $file
    end
end

function __mailctl_at -a wanted # whether the command typed so far is exactly this one
    set -l path ''
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word --config-dir --gateway --level --limit --run --since --state-dir --until
            set skip 1
        else if contains -- (string trim -- "$path $word") 'server' 'gateway' 'test' 'explain' 'sync' 'status' 'log' 'log show' 'log export' 'log import' 'config' 'schema' 'demo'
            set path (string trim -- "$path $word")
        end
    end
    test "$path" = "$wanted"
end

complete -c mailctl -f
complete -c mailctl -n '__mailctl_at ""' -f -a server -d 'Not there yet'
complete -c mailctl -n '__mailctl_at ""' -f -a gateway -d 'Not there yet'
complete -c mailctl -n '__mailctl_at ""' -f -a test -d 'Not there yet'
complete -c mailctl -n '__mailctl_at ""' -f -a explain -d 'Not there yet'
complete -c mailctl -n '__mailctl_at ""' -f -a sync -d 'Not there yet'
complete -c mailctl -n '__mailctl_at ""' -f -a status -d 'One row for each gateway: enabled, last check by protocol, last sync, messages, errors, next due'
complete -c mailctl -n '__mailctl_at ""' -f -a log -d 'The mailer log: what mailctl did or failed to do'
complete -c mailctl -n '__mailctl_at ""' -f -a config -d 'Not there yet'
complete -c mailctl -n '__mailctl_at ""' -f -a schema -d 'JSON Schema of what --json prints for COMMAND, or the commands that have one'
complete -c mailctl -n '__mailctl_at ""' -f -a demo -d 'Run the main job on embedded servers: no account, no set-up, nothing left behind'
complete -c mailctl -n '__mailctl_at ""' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at ""' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at ""' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at ""' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at ""' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at ""' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at ""' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "server"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "server"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "server"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "server"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "server"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "server"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "server"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "gateway"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "gateway"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "gateway"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "gateway"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "gateway"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "gateway"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "gateway"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "test"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "test"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "test"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "test"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "test"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "test"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "test"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "explain"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "explain"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "explain"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "explain"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "explain"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "explain"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "explain"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "sync"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "sync"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "sync"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "sync"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "sync"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "sync"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "sync"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "status"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "status"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "status"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "status"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "status"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "status"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "status"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "status"' -f -a '(__mailctl_names gateways)'
complete -c mailctl -n '__mailctl_at "log"' -f -a show -d 'Show events, oldest first'
complete -c mailctl -n '__mailctl_at "log"' -f -a export -d 'Write events as JSON Lines'
complete -c mailctl -n '__mailctl_at "log"' -f -a import -d 'Take events of another machine, or of a backup, into the mailer log; those that are there already stay once'
complete -c mailctl -n '__mailctl_at "log"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "log"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "log"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "log"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "log"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "log"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "log"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "log"' -l gateway -x -a '(__mailctl_names gateways)' -d 'Only events of this gateway'
complete -c mailctl -n '__mailctl_at "log"' -l run -x -d 'Only events of this run'
complete -c mailctl -n '__mailctl_at "log"' -l level -x -a 'debug info warning error' -d 'This level and above'
complete -c mailctl -n '__mailctl_at "log"' -l since -x -d 'Not older than this'
complete -c mailctl -n '__mailctl_at "log"' -l until -x -d 'Not newer than this'
complete -c mailctl -n '__mailctl_at "log"' -l limit -x -d 'The newest so many'
complete -c mailctl -n '__mailctl_at "log"' -l follow -d 'Go on showing what comes, until Ctrl-C'
complete -c mailctl -n '__mailctl_at "log show"' -l gateway -x -a '(__mailctl_names gateways)' -d 'Only events of this gateway'
complete -c mailctl -n '__mailctl_at "log show"' -l run -x -d 'Only events of this run'
complete -c mailctl -n '__mailctl_at "log show"' -l level -x -a 'debug info warning error' -d 'This level and above'
complete -c mailctl -n '__mailctl_at "log show"' -l since -x -d 'Not older than this'
complete -c mailctl -n '__mailctl_at "log show"' -l until -x -d 'Not newer than this'
complete -c mailctl -n '__mailctl_at "log show"' -l limit -x -d 'The newest so many'
complete -c mailctl -n '__mailctl_at "log show"' -l follow -d 'Go on showing what comes, until Ctrl-C'
complete -c mailctl -n '__mailctl_at "log show"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "log show"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "log show"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "log show"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "log show"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "log show"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "log show"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "log export"' -l gateway -x -a '(__mailctl_names gateways)' -d 'Only events of this gateway'
complete -c mailctl -n '__mailctl_at "log export"' -l run -x -d 'Only events of this run'
complete -c mailctl -n '__mailctl_at "log export"' -l level -x -a 'debug info warning error' -d 'This level and above'
complete -c mailctl -n '__mailctl_at "log export"' -l since -x -d 'Not older than this'
complete -c mailctl -n '__mailctl_at "log export"' -l until -x -d 'Not newer than this'
complete -c mailctl -n '__mailctl_at "log export"' -l force -d 'Replace FILE if it exists'
complete -c mailctl -n '__mailctl_at "log export"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "log export"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "log export"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "log export"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "log export"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "log export"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "log export"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "log export"' -F
complete -c mailctl -n '__mailctl_at "log import"' -l dry-run -d 'Only check the file'
complete -c mailctl -n '__mailctl_at "log import"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "log import"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "log import"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "log import"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "log import"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "log import"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "log import"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "log import"' -F
complete -c mailctl -n '__mailctl_at "config"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "config"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "config"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "config"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "config"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "config"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "config"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "schema"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "schema"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "schema"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "schema"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "schema"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "schema"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "schema"' -l help -d 'Show this message and exit'
complete -c mailctl -n '__mailctl_at "schema"' -f
complete -c mailctl -n '__mailctl_at "demo"' -l keep -d 'Leave the servers up and say how to go on by hand'
complete -c mailctl -n '__mailctl_at "demo"' -l json -d 'Print one JSON object instead of text'
complete -c mailctl -n '__mailctl_at "demo"' -l quiet -d 'Leave out remarks and progress'
complete -c mailctl -n '__mailctl_at "demo"' -l no-input -d 'Never ask; a question becomes an error'
complete -c mailctl -n '__mailctl_at "demo"' -l debug -d 'Show the traceback of an error, secrets masked'
complete -c mailctl -n '__mailctl_at "demo"' -l config-dir -r -F -d 'Where configuration lives'
complete -c mailctl -n '__mailctl_at "demo"' -l state-dir -r -F -d 'Where sync state and the mailer log live'
complete -c mailctl -n '__mailctl_at "demo"' -l help -d 'Show this message and exit'
