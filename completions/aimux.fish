# fish completion for aimux. The words come from `aimux complete`, which reads the config and the names of files, and nothing else.
function __aimux_complete
    set -l typed (commandline --current-token)
    # What cannot be unescaped has a quote open; fish itself takes that off the word.
    set -l word (string unescape -- $typed; or string trim --left --chars=\'\" -- $typed)
    set -l lines (command aimux complete fish -- (commandline --current-process --tokenize --cut-at-cursor) "$word" 2>/dev/null)
    switch "$lines[1]"
        case files
            set -l option (string match --regex -- '^--[^=]*=' "$word")
            for path in (__fish_complete_path (string replace -- "$option" '' "$word"))
                echo -- "$option$path"
            end
        case words
            set -e lines[1]
            string join \n -- $lines
    end
end
complete --command aimux --no-files --keep-order --arguments '(__aimux_complete)'
