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
        '') subs='server gateway auth test explain sync watch schedule status log secrets config schema demo' opts='--version --json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'server') subs='presets add list show edit rename remove discover' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'server presets') subs='' opts='--search --json --quiet --no-input --debug --config-dir --state-dir --help' argument='presets' ;;
        'server add') subs='' opts='--imap --imap-security --no-imap --pop3 --pop3-security --no-pop3 --smtp --smtp-security --no-smtp --ca-file --fingerprint --verify-certificate --no-verify-certificate --minimum-tls --preset --domain --region --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='presets' ;;
        'server list') subs='' opts='--in-use --unused --json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'server show') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='names servers' ;;
        'server edit') subs='' opts='--imap --imap-security --no-imap --pop3 --pop3-security --no-pop3 --smtp --smtp-security --no-smtp --ca-file --fingerprint --verify-certificate --no-verify-certificate --minimum-tls --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names servers' ;;
        'server rename') subs='' opts='--dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names servers' ;;
        'server remove') subs='' opts='--yes --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names servers' ;;
        'server discover') subs='' opts='--save --timeout --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'gateway') subs='add list show edit rename remove enable disable default move password' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'gateway add') subs='' opts='--server --email --login --smtp-login --secret --oauth --owner --shared --no-shared --display-name --reply-to --order --enabled --disabled --allow-plaintext --no-allow-plaintext --inbound --no-inbound --protocol --mode --folder --keep-on-server --no-keep-on-server --delete-after --mark-seen --no-mark-seen --propagate-deletes --no-propagate-deletes --since --max-per-run --max-size --interval --maildir --outbound --no-outbound --upload-sent --no-upload-sent --attachment-limit --daily-limit --password-stdin --password-command --password-env --password-file --encrypted --smtp-password-stdin --smtp-password-command --smtp-password-env --smtp-password-file --test --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'gateway list') subs='' opts='--where --json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'gateway show') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'gateway edit') subs='' opts='--server --email --login --smtp-login --secret --oauth --owner --shared --no-shared --display-name --reply-to --order --enabled --disabled --allow-plaintext --no-allow-plaintext --inbound --no-inbound --protocol --mode --folder --keep-on-server --no-keep-on-server --delete-after --mark-seen --no-mark-seen --propagate-deletes --no-propagate-deletes --since --max-per-run --max-size --interval --maildir --outbound --no-outbound --upload-sent --no-upload-sent --attachment-limit --daily-limit --password-stdin --password-command --password-env --password-file --encrypted --smtp-password-stdin --smtp-password-command --smtp-password-env --smtp-password-file --unset --test --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'gateway rename') subs='' opts='--dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'gateway remove') subs='' opts='--delete-mail --yes --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'gateway enable') subs='' opts='--dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'gateway disable') subs='' opts='--dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'gateway default') subs='' opts='--none --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'gateway move') subs='' opts='--before --after --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'gateway password') subs='set check clear source' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'gateway password set') subs='' opts='--imap --smtp --password-stdin --password-command --password-env --password-file --keyring --encrypted --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'gateway password check') subs='' opts='--imap --smtp --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'gateway password clear') subs='' opts='--imap --smtp --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'gateway password source') subs='' opts='--imap --smtp --keyring --encrypted --password-command --password-env --password-file --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'auth') subs='setup login status logout token' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'auth setup') subs='' opts='--name --client-id --tenant --grant --redirect --scope --issuer --key-file --client-secret-stdin --client-secret-command --client-secret-env --client-secret-file --client-secret-store --check --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'auth login') subs='' opts='--no-browser --device --imap --smtp --timeout --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'auth status') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'auth logout') subs='' opts='--dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'auth token') subs='' opts='--smtp --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'test') subs='' opts='--all --imap --smtp --pop3 --jobs --timeout --trace --report --format --send --yes --login --password-stdin --password-command --password-env --password-file --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'explain') subs='' opts='--protocol --provider --host --port --security --stage --json --quiet --no-input --debug --config-dir --state-dir --help' argument='files' ;;
        'sync') subs='' opts='--all --folder --dry-run --jobs --confirm-deletes --start-afresh --verify --content --repair --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'watch') subs='' opts='--all --exec --jobs --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'schedule') subs='install remove show' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'schedule install') subs='' opts='--all --every --watch --exec --cron --dry-run --yes --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'schedule remove') subs='' opts='--dry-run --yes --json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'schedule show') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'status') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'log') subs='show export import' opts='--json --quiet --no-input --debug --config-dir --state-dir --help --gateway --run --level --since --until --limit --follow' argument='' ;;
        'log show') subs='' opts='--gateway --run --level --since --until --limit --follow --json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'log export') subs='' opts='--gateway --run --level --since --until --force --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='files' ;;
        'log import') subs='' opts='--dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='files' ;;
        'secrets') subs='doctor list move prune key' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'secrets doctor') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'secrets list') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'secrets move') subs='' opts='--to --from --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='names gateways' ;;
        'secrets prune') subs='' opts='--yes --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'secrets key') subs='' opts='--change --dry-run --json --quiet --no-input --debug --config-dir --state-dir --help' argument='files' ;;
        'config') subs='path check' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'config path') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
        'config check') subs='' opts='--json --quiet --no-input --debug --config-dir --state-dir --help' argument='' ;;
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
        'server presets --search') value='none' ;;
        'server presets --config-dir') value='dirs' ;;
        'server presets --state-dir') value='dirs' ;;
        'server add --imap') value='none' ;;
        'server add --imap-security') value='words tls starttls none' ;;
        'server add --pop3') value='none' ;;
        'server add --pop3-security') value='words tls starttls none' ;;
        'server add --smtp') value='none' ;;
        'server add --smtp-security') value='words tls starttls none' ;;
        'server add --ca-file') value='files' ;;
        'server add --fingerprint') value='none' ;;
        'server add --minimum-tls') value='none' ;;
        'server add --preset') value='presets' ;;
        'server add --domain') value='none' ;;
        'server add --region') value='none' ;;
        'server add --config-dir') value='dirs' ;;
        'server add --state-dir') value='dirs' ;;
        'server list --config-dir') value='dirs' ;;
        'server list --state-dir') value='dirs' ;;
        'server show --config-dir') value='dirs' ;;
        'server show --state-dir') value='dirs' ;;
        'server edit --imap') value='none' ;;
        'server edit --imap-security') value='words tls starttls none' ;;
        'server edit --pop3') value='none' ;;
        'server edit --pop3-security') value='words tls starttls none' ;;
        'server edit --smtp') value='none' ;;
        'server edit --smtp-security') value='words tls starttls none' ;;
        'server edit --ca-file') value='files' ;;
        'server edit --fingerprint') value='none' ;;
        'server edit --minimum-tls') value='none' ;;
        'server edit --config-dir') value='dirs' ;;
        'server edit --state-dir') value='dirs' ;;
        'server rename --config-dir') value='dirs' ;;
        'server rename --state-dir') value='dirs' ;;
        'server remove --config-dir') value='dirs' ;;
        'server remove --state-dir') value='dirs' ;;
        'server discover --save') value='none' ;;
        'server discover --timeout') value='none' ;;
        'server discover --config-dir') value='dirs' ;;
        'server discover --state-dir') value='dirs' ;;
        'gateway --config-dir') value='dirs' ;;
        'gateway --state-dir') value='dirs' ;;
        'gateway add --server') value='names servers' ;;
        'gateway add --email') value='none' ;;
        'gateway add --login') value='none' ;;
        'gateway add --smtp-login') value='none' ;;
        'gateway add --secret') value='words keyring encrypted oauth' ;;
        'gateway add --oauth') value='none' ;;
        'gateway add --owner') value='none' ;;
        'gateway add --display-name') value='none' ;;
        'gateway add --reply-to') value='none' ;;
        'gateway add --order') value='none' ;;
        'gateway add --protocol') value='words imap pop3' ;;
        'gateway add --mode') value='words archive mirror' ;;
        'gateway add --folder') value='none' ;;
        'gateway add --delete-after') value='none' ;;
        'gateway add --since') value='none' ;;
        'gateway add --max-per-run') value='none' ;;
        'gateway add --max-size') value='none' ;;
        'gateway add --interval') value='none' ;;
        'gateway add --maildir') value='dirs' ;;
        'gateway add --attachment-limit') value='none' ;;
        'gateway add --daily-limit') value='none' ;;
        'gateway add --password-command') value='none' ;;
        'gateway add --password-env') value='none' ;;
        'gateway add --password-file') value='files' ;;
        'gateway add --smtp-password-command') value='none' ;;
        'gateway add --smtp-password-env') value='none' ;;
        'gateway add --smtp-password-file') value='files' ;;
        'gateway add --config-dir') value='dirs' ;;
        'gateway add --state-dir') value='dirs' ;;
        'gateway list --where') value='none' ;;
        'gateway list --config-dir') value='dirs' ;;
        'gateway list --state-dir') value='dirs' ;;
        'gateway show --config-dir') value='dirs' ;;
        'gateway show --state-dir') value='dirs' ;;
        'gateway edit --server') value='names servers' ;;
        'gateway edit --email') value='none' ;;
        'gateway edit --login') value='none' ;;
        'gateway edit --smtp-login') value='none' ;;
        'gateway edit --secret') value='words keyring encrypted oauth' ;;
        'gateway edit --oauth') value='none' ;;
        'gateway edit --owner') value='none' ;;
        'gateway edit --display-name') value='none' ;;
        'gateway edit --reply-to') value='none' ;;
        'gateway edit --order') value='none' ;;
        'gateway edit --protocol') value='words imap pop3' ;;
        'gateway edit --mode') value='words archive mirror' ;;
        'gateway edit --folder') value='none' ;;
        'gateway edit --delete-after') value='none' ;;
        'gateway edit --since') value='none' ;;
        'gateway edit --max-per-run') value='none' ;;
        'gateway edit --max-size') value='none' ;;
        'gateway edit --interval') value='none' ;;
        'gateway edit --maildir') value='dirs' ;;
        'gateway edit --attachment-limit') value='none' ;;
        'gateway edit --daily-limit') value='none' ;;
        'gateway edit --password-command') value='none' ;;
        'gateway edit --password-env') value='none' ;;
        'gateway edit --password-file') value='files' ;;
        'gateway edit --smtp-password-command') value='none' ;;
        'gateway edit --smtp-password-env') value='none' ;;
        'gateway edit --smtp-password-file') value='files' ;;
        'gateway edit --unset') value='none' ;;
        'gateway edit --config-dir') value='dirs' ;;
        'gateway edit --state-dir') value='dirs' ;;
        'gateway rename --config-dir') value='dirs' ;;
        'gateway rename --state-dir') value='dirs' ;;
        'gateway remove --config-dir') value='dirs' ;;
        'gateway remove --state-dir') value='dirs' ;;
        'gateway enable --config-dir') value='dirs' ;;
        'gateway enable --state-dir') value='dirs' ;;
        'gateway disable --config-dir') value='dirs' ;;
        'gateway disable --state-dir') value='dirs' ;;
        'gateway default --config-dir') value='dirs' ;;
        'gateway default --state-dir') value='dirs' ;;
        'gateway move --before') value='names gateways' ;;
        'gateway move --after') value='names gateways' ;;
        'gateway move --config-dir') value='dirs' ;;
        'gateway move --state-dir') value='dirs' ;;
        'gateway password --config-dir') value='dirs' ;;
        'gateway password --state-dir') value='dirs' ;;
        'gateway password set --password-command') value='none' ;;
        'gateway password set --password-env') value='none' ;;
        'gateway password set --password-file') value='files' ;;
        'gateway password set --config-dir') value='dirs' ;;
        'gateway password set --state-dir') value='dirs' ;;
        'gateway password check --config-dir') value='dirs' ;;
        'gateway password check --state-dir') value='dirs' ;;
        'gateway password clear --config-dir') value='dirs' ;;
        'gateway password clear --state-dir') value='dirs' ;;
        'gateway password source --password-command') value='none' ;;
        'gateway password source --password-env') value='none' ;;
        'gateway password source --password-file') value='files' ;;
        'gateway password source --config-dir') value='dirs' ;;
        'gateway password source --state-dir') value='dirs' ;;
        'auth --config-dir') value='dirs' ;;
        'auth --state-dir') value='dirs' ;;
        'auth setup --name') value='none' ;;
        'auth setup --client-id') value='none' ;;
        'auth setup --tenant') value='none' ;;
        'auth setup --grant') value='words authorization_code device_code client_credentials service_account' ;;
        'auth setup --redirect') value='none' ;;
        'auth setup --scope') value='none' ;;
        'auth setup --issuer') value='none' ;;
        'auth setup --key-file') value='files' ;;
        'auth setup --client-secret-command') value='none' ;;
        'auth setup --client-secret-env') value='none' ;;
        'auth setup --client-secret-file') value='files' ;;
        'auth setup --client-secret-store') value='words keyring encrypted' ;;
        'auth setup --config-dir') value='dirs' ;;
        'auth setup --state-dir') value='dirs' ;;
        'auth login --timeout') value='none' ;;
        'auth login --config-dir') value='dirs' ;;
        'auth login --state-dir') value='dirs' ;;
        'auth status --config-dir') value='dirs' ;;
        'auth status --state-dir') value='dirs' ;;
        'auth logout --config-dir') value='dirs' ;;
        'auth logout --state-dir') value='dirs' ;;
        'auth token --config-dir') value='dirs' ;;
        'auth token --state-dir') value='dirs' ;;
        'test --jobs') value='none' ;;
        'test --timeout') value='none' ;;
        'test --report') value='files' ;;
        'test --format') value='words nagios prometheus' ;;
        'test --login') value='none' ;;
        'test --password-command') value='none' ;;
        'test --password-env') value='none' ;;
        'test --password-file') value='files' ;;
        'test --config-dir') value='dirs' ;;
        'test --state-dir') value='dirs' ;;
        'explain --protocol') value='words imap pop3 smtp oauth tls dns tcp' ;;
        'explain --provider') value='presets' ;;
        'explain --host') value='none' ;;
        'explain --port') value='none' ;;
        'explain --security') value='words tls starttls none' ;;
        'explain --stage') value='none' ;;
        'explain --config-dir') value='dirs' ;;
        'explain --state-dir') value='dirs' ;;
        'sync --folder') value='none' ;;
        'sync --jobs') value='none' ;;
        'sync --config-dir') value='dirs' ;;
        'sync --state-dir') value='dirs' ;;
        'watch --exec') value='none' ;;
        'watch --jobs') value='none' ;;
        'watch --config-dir') value='dirs' ;;
        'watch --state-dir') value='dirs' ;;
        'schedule --config-dir') value='dirs' ;;
        'schedule --state-dir') value='dirs' ;;
        'schedule install --every') value='none' ;;
        'schedule install --exec') value='none' ;;
        'schedule install --config-dir') value='dirs' ;;
        'schedule install --state-dir') value='dirs' ;;
        'schedule remove --config-dir') value='dirs' ;;
        'schedule remove --state-dir') value='dirs' ;;
        'schedule show --config-dir') value='dirs' ;;
        'schedule show --state-dir') value='dirs' ;;
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
        'secrets --config-dir') value='dirs' ;;
        'secrets --state-dir') value='dirs' ;;
        'secrets doctor --config-dir') value='dirs' ;;
        'secrets doctor --state-dir') value='dirs' ;;
        'secrets list --config-dir') value='dirs' ;;
        'secrets list --state-dir') value='dirs' ;;
        'secrets move --to') value='words keyring encrypted' ;;
        'secrets move --from') value='words keyring encrypted command env file' ;;
        'secrets move --config-dir') value='dirs' ;;
        'secrets move --state-dir') value='dirs' ;;
        'secrets prune --config-dir') value='dirs' ;;
        'secrets prune --state-dir') value='dirs' ;;
        'secrets key --config-dir') value='dirs' ;;
        'secrets key --state-dir') value='dirs' ;;
        'config --config-dir') value='dirs' ;;
        'config --state-dir') value='dirs' ;;
        'config path --config-dir') value='dirs' ;;
        'config path --state-dir') value='dirs' ;;
        'config check --config-dir') value='dirs' ;;
        'config check --state-dir') value='dirs' ;;
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
        presets) mapfile -t COMPREPLY < <(compgen -W '126 163 a1 alice-it aliyun aliyun-qiye aol aruba aruba-pec att autistici bbox bell-ca bluewin brevo bt centurylink combell comcast countermail cox cpanel daum dismail disroot docomo domainfactory dreamhost earthlink elasticemail exmail-qq fastmail forwardemail free-fr freenet gandi gmail gmx gmx-com godaddy google-workspace hetzner hey hiworks hostinger hotmail-pop-legacy icloud infomaniak interia ionos kakao kpn laposte libero loopia magenta-at mail-de mailbox-org mailcom mailersend mailfence mailgun mailjet mailo mailru mailtrap mandrill migadu mittwald mxroute naver netease-qiye o2 office365 one-com onet optimum orange-fr outlook ovh plesk pobox posteo postmark privateemail proton-bridge proximus purelymail qq rackspace rambler resend riseup runbox selfhosted-rfc6186 sendgrid ses seznam sfr shaw sina sky smtp2go soverin sparkpost spectrum startmail strato systemli t-online talktalk telenet telstra thundermail tim-it tiscali-it tutanota twc ukrnet verizon virgilio virginmedia vodafone-de webde workmail-eu-west-1 workmail-us-east-1 workmail-us-west-2 wp xtra yahoo yahoo-jp yandex yeah ziggo zoho zoho-au zoho-ca zoho-eu zoho-in zoho-jp' -- "$cur") ;;
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
