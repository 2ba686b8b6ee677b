"""`jaxae completion SHELL`: print a script with which the shell completes commands, configs and options.

The script calls `jaxae completion words ...` at each press of Tab, which takes a tenth of a second.
"""

from jaxae.cli import word_completion
from jaxae.errors import JaxaeError, nearest

_BASH = """\
# Completion of jaxae for bash. Add to ~/.bashrc:  eval "$(jaxae completion bash)"
_jaxae() {
    local IFS=$'\\n'
    COMPREPLY=($(jaxae completion words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    # bash splits words at `=` and replaces what follows it.
    if [[ ${COMP_WORDS[COMP_CWORD]} == = || ${COMP_WORDS[COMP_CWORD-1]} == = ]]; then
        COMPREPLY=("${COMPREPLY[@]#*=}")
    fi
}
complete -o default -o nosort -F _jaxae jaxae
"""
_ZSH = """\
#compdef jaxae
# Completion of jaxae for zsh. Add to ~/.zshrc, after compinit:  eval "$(jaxae completion zsh)"
_jaxae() {
    local -a found
    found=("${(@f)$(jaxae completion words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[1]}" ]]; then compadd -U -- "${found[@]}"; else _files; fi
}
compdef _jaxae jaxae
"""
_FISH = """\
# Completion of jaxae for fish. Run once:  jaxae completion fish > ~/.config/fish/completions/jaxae.fish
function __jaxae_words
    set -l given (commandline -opc) (commandline -ct)
    set -l found (jaxae completion words $given[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c jaxae -f -a '(__jaxae_words)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
USAGE = """usage: jaxae completion bash|zsh|fish

Print a script with which the shell completes commands, configs, runs, options, classes and values.

  bash    eval "$(jaxae completion bash)"  in ~/.bashrc
  zsh     eval "$(jaxae completion zsh)"  in ~/.zshrc, after compinit
  fish    jaxae completion fish > ~/.config/fish/completions/jaxae.fish
"""


def main(arguments: list[str]) -> int:
    """Run `jaxae completion` and return the exit code."""
    if {"-h", "--help"} & set(arguments[:1]):
        print(USAGE, end="")
        return 0
    if not arguments:
        raise JaxaeError(f"completion: the shell comes first; valid: {', '.join(SCRIPTS)}")
    if arguments[0] == "words":
        for word in word_completion.candidates(arguments[1:] or [""]):
            print(word)
        return 0
    if arguments[0] not in SCRIPTS:
        raise JaxaeError(f"completion: {arguments[0]}: no such shell; {nearest(arguments[0], SCRIPTS)}")
    # The options of experiments come from the cache, which is filled now instead of at the first Tab.
    word_completion.prepare()
    print(SCRIPTS[arguments[0]], end="")
    return 0
