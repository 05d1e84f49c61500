# bash completion for aimux. The words come from `aimux complete`, which reads the config and the names of files, and nothing else.
_aimux() {
    COMPREPLY=()
    local kind line
    {
        read -r kind
        if [ "$kind" = files ]; then
            compopt -o default 2>/dev/null
            return
        fi
        [ "$kind" = words ] || return
        while IFS= read -r line; do COMPREPLY+=("$line"); done
    } < <(command aimux complete bash -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    case ${COMPREPLY[0]-} in */ | *=) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _aimux aimux
