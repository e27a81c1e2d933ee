"""Writes completions/ from the command tree: scripts for bash, zsh and fish that start no Python.

    python -m tools.completions            write them
    python -m tools.completions --check    exit 1 if what is there differs

Names of servers and gateways are read by the shell from the configuration folder. What a value is, its metavar tells:
SERVER, GATEWAY, PRESET, FILE, DIR and their kin (`SOURCES`); fixed choices are listed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from mailctl.cli.tree import Argument, Node, Option, command_tree
from mailctl.providers.catalog import ids

FOLDER = Path(__file__).parents[1] / "completions"
NOTE = "Made by `make completions` from the command tree; not edited by hand."


SOURCES = {
    "SERVER": "names servers",
    "GATEWAY": "names gateways",
    "PRESET": "presets",
    "FILE": "files",
    "PATH": "files",
    "PEM": "files",
    "DIR": "dirs",
}


def source_of(value: str, choices: Sequence[str]) -> str:
    """What completes a value: a source of `SOURCES`, `words A B`, or "" for nothing."""
    if choices:
        return "words " + " ".join(choices)
    return next((SOURCES[word] for word in value.split("|") if word in SOURCES), "")


def presets() -> str:
    """The names of all presets."""
    return " ".join(ids())


def options_of(node: Node) -> list[Option]:
    """The options that may follow `node`: its own, and those of the command that it stands for when none is named."""
    found = list(node.options)
    known = {name for option in found for name in option.names}
    for child in node.children:
        if child.name == node.default:
            found += [option for option in child.options if not known & set(option.names)]
    return found


def arguments_of(node: Node) -> tuple[Argument, ...]:
    """Positional arguments of the node, or of its default command."""
    return next((child.arguments for child in node.children if child.name == node.default), node.arguments)


def brief(text: str) -> str:
    """The first sentence of a help text; its apostrophes are left to each shell's quoting."""
    return text.split("\n")[0].split(". ")[0].rstrip(".").translate({ord(c): None for c in '"`\\[]$'})


def bash(root: Node) -> str:
    """The script for bash 4 and newer."""
    cases, values = [], []
    for node in root.walk():
        path = " ".join(node.path)
        words = [child.name for child in node.children]
        arguments = arguments_of(node)
        source = source_of(arguments[0].value, arguments[0].choices) if arguments else ""
        names = [name for option in options_of(node) for name in option.names]
        cases.append(f"        '{path}') subs='{' '.join(words)}' opts='{' '.join(names)}' argument='{source}' ;;")
        for option in options_of(node):
            if option.value:
                pattern = "|".join(f"'{path} {name}'" for name in option.names)
                values.append(f"        {pattern}) value='{source_of(option.value, option.choices) or 'none'}' ;;")
    table, value_table = "\n".join(cases), "\n".join(values)
    return f"""# bash completion for mailctl. {NOTE}

_mailctl_names() {{ # servers|gateways: the names of the files in the configuration folder
    local file
    for file in "$config/$1"/*.toml; do
        [[ -e $file ]] || continue
        file=${{file##*/}}
        printf '%s\\n' "${{file%.toml}}"
    done
}}

_mailctl_at() {{ # sets subs, opts, argument for the command path $1
    subs='' opts='' argument=''
    case $1 in
{table}
    esac
}}

_mailctl_value() {{ # sets value: what completes the value of option $1 ("path --option"); empty for a flag
    value=''
    case $1 in
{value_table}
    esac
}}

_mailctl() {{
    local line=${{COMP_LINE:0:COMP_POINT}} config=${{MAILCTL_CONFIG_DIR:-${{XDG_CONFIG_HOME:-$HOME/.config}}/mailctl}}
    local words cur path='' word previous='' subs opts argument value source
    read -ra words <<<"$line"
    if [[ $line == *[[:space:]] ]]; then cur=''; else cur=${{words[-1]}}; unset 'words[-1]'; fi
    _mailctl_at ''
    for word in "${{words[@]:1}}"; do
        if [[ $previous == --config-dir ]]; then config=$word; fi
        if [[ $previous == -* ]]; then
            _mailctl_value "$path $previous"
            previous=''
            [[ -n $value ]] && continue
        fi
        previous=$word
        if [[ " $subs " == *" $word "* ]]; then
            path="${{path:+$path }}$word"
            _mailctl_at "$path"
        fi
    done
    value=''
    [[ $previous == -* ]] && _mailctl_value "$path $previous"
    source=${{value:-$argument}}
    COMPREPLY=()
    if [[ -z $value && $cur == -* ]]; then
        source="words $opts"
    elif [[ -z $value && -n $subs ]]; then
        source="words $subs"
    fi
    case $source in
        words\\ *) mapfile -t COMPREPLY < <(compgen -W "${{source#words }}" -- "$cur") ;;
        names\\ *) mapfile -t COMPREPLY < <(compgen -W "$(_mailctl_names "${{source#names }}")" -- "$cur") ;;
        presets) mapfile -t COMPREPLY < <(compgen -W '{presets()}' -- "$cur") ;;
        files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        dirs) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    esac
    # readline replaces only what follows its last word break, so only that part is handed back
    local breaks=${{COMP_WORDBREAKS//[[:space:]\\"\\']/}} head index
    head=${{cur%"${{cur##*[$breaks]}}"}}
    head=${{head%@}} # which it takes as the begin of a word, not as a break
    for index in "${{!COMPREPLY[@]}}"; do COMPREPLY[index]=${{COMPREPLY[index]#"$head"}}; done
}}

complete -F _mailctl mailctl
"""


def zsh(root: Node) -> str:
    """The completion function for zsh."""
    cases, values = [], []
    for node in root.walk():
        path = " ".join(node.path)
        words = " ".join(f"'{child.name}:{_zsh(child.help)}'" for child in node.children)
        options = " ".join(f"'{name}:{_zsh(option.help)}'" for option in options_of(node) for name in option.names)
        arguments = arguments_of(node)
        source = source_of(arguments[0].value, arguments[0].choices) if arguments else ""
        cases.append(f"        '{path}') subs=({words}); opts=({options}); argument='{source}' ;;")
        for option in options_of(node):
            if option.value:
                pattern = "|".join(f"'{path} {name}'" for name in option.names)
                values.append(f"        {pattern}) value='{source_of(option.value, option.choices) or 'none'}' ;;")
    table, value_table = "\n".join(cases), "\n".join(values)
    return f"""#compdef mailctl
# zsh completion for mailctl. {NOTE}

_mailctl_at() {{ # sets subs, opts, argument for the command path $1
    subs=() opts=() argument=''
    case $1 in
{table}
    esac
}}

_mailctl_value() {{ # sets value: what completes the value of option $1 ("path --option"); empty for a flag
    value=''
    case $1 in
{value_table}
    esac
}}

_mailctl() {{
    local config=${{MAILCTL_CONFIG_DIR:-${{XDG_CONFIG_HOME:-$HOME/.config}}/mailctl}}
    local route='' word previous='' argument value origin
    local -a subs opts names
    _mailctl_at ''
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        [[ $previous == --config-dir ]] && config=$word
        if [[ $previous == -* ]]; then
            _mailctl_value "$route $previous"
            previous=''
            [[ -n $value ]] && continue
        fi
        previous=$word
        if (( ${{subs[(I)${{(b)word}}:*]}} )); then
            route="${{route:+$route }}$word"
            _mailctl_at "$route"
        fi
    done
    value=''
    [[ $previous == -* ]] && _mailctl_value "$route $previous"
    origin=${{value:-$argument}}
    if [[ -z $value && $PREFIX == -* ]]; then
        _describe -o option opts
        return
    elif [[ -z $value && ${{#subs}} -gt 0 ]]; then
        _describe command subs
        return
    fi
    case $origin in
        words\\ *) names=(${{=origin#words }}); compadd -a names ;;
        names\\ *) names=("$config/${{origin#names }}"/*.toml(N:t:r)); compadd -a names ;;
        presets) names=({presets()}); compadd -a names ;;
        files) _files ;;
        dirs) _files -/ ;;
    esac
}}

_mailctl "$@"
"""


def fish(root: Node) -> str:
    """The completions for fish."""
    lines = []
    for node in root.walk():
        path = " ".join(node.path)
        at = f"-n '__mailctl_at \"{path}\"'"
        lines += [f"complete -c mailctl {at} -f -a {child.name} -d '{_fish(child.help)}'" for child in node.children]
        for option in options_of(node):
            for name in option.names:
                kind = "-l" if name.startswith("--") else "-s"
                value = f" -x{_fish_source(option.value, option.choices)}" if option.value else ""
                if option.value and source_of(option.value, option.choices) in ("files", "dirs"):
                    value = " -r -F"
                lines.append(f"complete -c mailctl {at} {kind} {name.lstrip('-')}{value} -d '{_fish(option.help)}'")
        arguments = arguments_of(node)
        if arguments:
            given = _fish_source(arguments[0].value, arguments[0].choices)
            forced = " -F" if source_of(arguments[0].value, arguments[0].choices) == "files" else " -f"
            lines.append(f"complete -c mailctl {at}{forced}{given}")
    groups = " ".join(f"'{' '.join(node.path)}'" for node in root.walk() if node.path)
    valued = " ".join(sorted({name for node in root.walk() for o in node.options if o.value for name in o.names}))
    body = "\n".join(lines)
    return f"""# fish completion for mailctl. {NOTE}

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
        string replace -r '.*/(.*)\\.toml$' '$1' -- $file
    end
end

function __mailctl_presets
    string split ' ' '{presets()}'
end

function __mailctl_at -a wanted # whether the command typed so far is exactly this one
    set -l path ''
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word {valued}
            set skip 1
        else if contains -- (string trim -- "$path $word") {groups}
            set path (string trim -- "$path $word")
        end
    end
    test "$path" = "$wanted"
end

complete -c mailctl -f
{body}
"""


def _zsh(text: str) -> str:
    return brief(text).replace("'", r"'\''")


def _fish(text: str) -> str:
    return brief(text).replace("'", r"\'")


def _fish_source(value: str, choices: Sequence[str]) -> str:
    source = source_of(value, choices)
    if source == "presets":
        return " -a '(__mailctl_presets)'"
    if source.startswith("words "):
        return f" -a '{source.removeprefix('words ')}'"
    if source.startswith("names "):
        return f" -a '(__mailctl_{source})'"
    return ""


def main(arguments: list[str]) -> int:
    """Write or compare the three scripts; returns the exit code."""
    root = command_tree()
    wanted = {"mailctl.bash": bash(root), "_mailctl": zsh(root), "mailctl.fish": fish(root)}
    stale = [name for name, text in wanted.items() if not _same(FOLDER / name, text)]
    if arguments == ["--check"]:
        for name in stale:
            sys.stderr.write(f"completions/{name} is not what the command tree makes; run `make completions`\n")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(wanted[name])
    return 0


def _same(file: Path, text: str) -> bool:
    return file.exists() and file.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
