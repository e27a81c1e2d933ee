# bash completion for mailctl. Made by `make completions` from the command tree; not edited by hand.

_mailctl_names() { # servers|gateways: the names of the files in the configuration folder
    local file
    for file in "$config/$1"/*.toml; do
        [[ -e $file ]] || continue
        file=${file##*/}
        printf '%s\n' "${file%.toml}"
    done
}

_mailctl_at() { # sets subs, opts, argument for the command path $1
    subs='' opts='' argument=''
    case $1 in
        '') subs='server gateway test explain sync status log config schema demo' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'server') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'gateway') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'test') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'explain') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'sync') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'status') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'log') subs='show export import' opts='--json --quiet --no-input --debug --config-dir --state-dir --help --gateway --run --level --since --until --limit --follow' argument='' ;;
        'log show') subs='' opts='--gateway --run --level --since --until --limit --follow --json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'log export') subs='' opts='--gateway --run --level --since --until --force --json --quiet --no-input --debug --config-dir --state-dir --help' argument='files' ;;
        'log import') subs='' opts='--dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='files' ;;
        'config') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'schema') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'demo') subs='' opts='--keep --json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
    esac
}

_mailctl_value() { # sets value: what completes the value of option $1 ("path --option"); empty for a flag
    value=''
    case $1 in
        ' --config-dir') value='dirs' ;;
        ' --state-dir') value='dirs' ;;
        'server --config-dir') value='dirs' ;;
        'server --state-dir') value='dirs' ;;
        'gateway --config-dir') value='dirs' ;;
        'gateway --state-dir') value='dirs' ;;
        'test --config-dir') value='dirs' ;;
        'test --state-dir') value='dirs' ;;
        'explain --config-dir') value='dirs' ;;
        'explain --state-dir') value='dirs' ;;
        'sync --config-dir') value='dirs' ;;
        'sync --state-dir') value='dirs' ;;
        'status --config-dir') value='dirs' ;;
        'status --state-dir') value='dirs' ;;
        'log --config-dir') value='dirs' ;;
        'log --state-dir') value='dirs' ;;
        'log --gateway') value='names gateways' ;;
        'log --run') value='none' ;;
        'log --level') value='words debug info warning error' ;;
        'log --since') value='none' ;;
        'log --until') value='none' ;;
        'log --limit') value='none' ;;
        'log show --gateway') value='names gateways' ;;
        'log show --run') value='none' ;;
        'log show --level') value='words debug info warning error' ;;
        'log show --since') value='none' ;;
        'log show --until') value='none' ;;
        'log show --limit') value='none' ;;
        'log show --config-dir') value='dirs' ;;
        'log show --state-dir') value='dirs' ;;
        'log export --gateway') value='names gateways' ;;
        'log export --run') value='none' ;;
        'log export --level') value='words debug info warning error' ;;
        'log export --since') value='none' ;;
        'log export --until') value='none' ;;
        'log export --config-dir') value='dirs' ;;
        'log export --state-dir') value='dirs' ;;
        'log import --config-dir') value='dirs' ;;
        'log import --state-dir') value='dirs' ;;
        'config --config-dir') value='dirs' ;;
        'config --state-dir') value='dirs' ;;
        'schema --config-dir') value='dirs' ;;
        'schema --state-dir') value='dirs' ;;
        'demo --config-dir') value='dirs' ;;
        'demo --state-dir') value='dirs' ;;
    esac
}

_mailctl() {
    local line=${COMP_LINE:0:COMP_POINT} config=${MAILCTL_CONFIG_DIR:-${XDG_CONFIG_HOME:-$HOME/.config}/mailctl}
    local words cur path='' word previous='' subs opts argument value source
    read -ra words <<<"$line"
    if [[ $line == *[[:space:]] ]]; then cur=''; else cur=${words[-1]}; unset 'words[-1]'; fi
    _mailctl_at ''
    for word in "${words[@]:1}"; do
        if [[ $previous == --config-dir ]]; then config=$word; fi
        if [[ $previous == -* ]]; then
            _mailctl_value "$path $previous"
            previous=''
            [[ -n $value ]] && continue
        fi
        previous=$word
        if [[ " $subs " == *" $word "* ]]; then
            path="${path:+$path }$word"
            _mailctl_at "$path"
        fi
    done
    value=''
    [[ $previous == -* ]] && _mailctl_value "$path $previous"
    source=${value:-$argument}
    COMPREPLY=()
    if [[ -z $value && $cur == -* ]]; then
        source="words $opts"
    elif [[ -z $value && -n $subs ]]; then
        source="words $subs"
    fi
    case $source in
        words\ *) mapfile -t COMPREPLY < <(compgen -W "${source#words }" -- "$cur") ;;
        names\ *) mapfile -t COMPREPLY < <(compgen -W "$(_mailctl_names "${source#names }")" -- "$cur") ;;
        files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        dirs) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    esac
    # readline replaces only what follows its last word break, so only that part is handed back
    local breaks=${COMP_WORDBREAKS//[[:space:]\"\']/} head index
    head=${cur%"${cur##*[$breaks]}"}
    head=${head%@} # which it takes as the begin of a word, not as a break
    for index in "${!COMPREPLY[@]}"; do COMPREPLY[index]=${COMPREPLY[index]#"$head"}; done
}

complete -F _mailctl mailctl
