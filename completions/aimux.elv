
use builtin;
use str;

set edit:completion:arg-completer[aimux] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'aimux'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'aimux'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand serve 'Serve clients on one local address'
            cand run 'Run a client program with its environment set for aimux'
            cand route 'Ask a model from the shell; `--explain` tells where a request would go, and why'
            cand bench 'Measure providers, what aimux adds to them, and aimux itself'
            cand chat 'Talk with a model: prompt after prompt, on the same way as `route`'
            cand keys 'Keep providers'' keys in age files'
            cand config 'Check, show and keep the config'
            cand status 'Tell whether the config''s server runs, and where'
            cand logs 'List, show, search, export and delete conversations'
            cand models 'List models: what they can, what they cost, what leads to them'
            cand usage 'Show what requests took and cost'
            cand stop 'Stop the config''s server; requests in flight are answered first'
            cand restart 'Put a new server in the running one''s place; nobody is refused'
            cand switch 'Have a running session answered by another model'
            cand statusline 'Print Claude Code''s status line, from the JSON that it gives'
            cand service 'Have the service manager start the server when it is needed'
            cand doctor 'Find what is not as it should be, and say what mends it'
            cand env 'Print the environment that makes clients of this shell use aimux'
            cand complete 'Say what a shell is to offer for the word being typed'
            cand generate 'Write completions or man pages'
        }
        &'aimux;serve'= {
            cand --listen 'The address to listen on, instead of the config''s, such as 127.0.0.1:8080; IPv6 in brackets; port 0 takes a free one'
            cand --log 'What the log shows: `warn`, `aimux=debug` [env: AIMUX_LOG] [default: info]'
            cand --log-format 'The log''s form [env: AIMUX_LOG_FORMAT] [default: text]'
            cand --log-file 'Log to this file instead of standard error; it may be moved away at any time'
            cand --log-mb 'Put the file aside when it is as long, in MB; 0: never'
            cand --log-hours 'Put the file aside when it is as old, in hours; 0: never'
            cand --log-keep 'Keep so many files that were put aside'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --demo 'Serve a built-in demo model: needs no config, account or key'
            cand --passphrase-stdin 'Read the passphrase of the identity from standard input'
            cand --stdin-socket 'Take the listening socket from standard input, as launchd and inetd pass it on'
            cand --background 'Serve in the background, and return when the server is ready; one that runs already is as good'
            cand --until-stdin-closes 'End when standard input does: a bench''s own server ends with it, however it ends'
            cand --on-demand 'Leave the session of the command that starts it, for a client'
            cand --detached 'The same, for an operator'
            cand --take-over 'Take the place of the server that runs'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;run'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --demo 'Have the built-in demo model answer: needs no config, account or key, and ends with the client'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;route'= {
            cand -m 'The model asked for [default: the config''s `default`, else the first provider''s main model; a request''s own]'
            cand --model 'The model asked for [default: the config''s `default`, else the first provider''s main model; a request''s own]'
            cand -s 'What the model is told before the prompt'
            cand --system 'What the model is told before the prompt'
            cand -a 'An image, a PDF or sound beside the prompt: a file, an address, or `-` for standard input; may be repeated'
            cand --attachment 'An image, a PDF or sound beside the prompt: a file, an address, or `-` for standard input; may be repeated'
            cand -f 'A text beside the prompt, with its name: a file, all files of a folder, or a pattern such as `src/**/*.rs`; may be repeated'
            cand --fragment 'A text beside the prompt, with its name: a file, all files of a folder, or a pattern such as `src/**/*.rs`; may be repeated'
            cand -o 'How the answer is made: temperature, max_tokens, top_p, top_k, seed, stop, thinking, presence_penalty, frequency_penalty'
            cand --option 'How the answer is made: temperature, max_tokens, top_p, top_k, seed, stop, thinking, presence_penalty, frequency_penalty'
            cand --schema 'The form of the answer: JSON Schema, a file of it, or `name, age int, bio: one sentence`; what comes is checked'
            cand -t 'A prompt that was kept with --save, or the path of one'
            cand --template 'A prompt that was kept with --save, or the path of one'
            cand -p 'A variable of the template; may be repeated'
            cand --param 'A variable of the template; may be repeated'
            cand --save 'Keep prompt, -s, -m, -o, --schema, -x and -p under a name, for -t; nobody is asked'
            cand --compare 'Ask several models at once, and compare: `a,b[,c]`'
            cand --cid 'Go on with this conversation, an id of `aimux logs`'
            cand --max-cost 'Do not ask if it may cost more than this, in dollars'
            cand --tool 'Let the model call the tools of a server under `mcp`, or one: SERVER, SERVER.TOOL, with `*`; each call is shown and asked about'
            cand --yes 'Do not ask about calls of these tools: SERVER or SERVER.TOOL, with `*`; may be repeated'
            cand --steps 'How often the model may call tools before it has to have answered'
            cand --color 'Whether the answer has colours; `always` sets Markdown in a pipe, too'
            cand --reasoning 'What becomes of what the model thinks aloud [default: dimmed on a terminal, left out in a pipe]'
            cand --request 'The request of a client that is asked about; `-` is standard input'
            cand --client 'The program that asks, `claude-code` say'
            cand --header 'A header of the request, for rules and policies: `x-aimux-project: acme`'
            cand --dialect 'The dialect of the request [default: the capture''s, else anthropic]'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -x 'Print the first block of code of the answer alone'
            cand --extract 'Print the first block of code of the answer alone'
            cand --extract-last 'Print the last block of code of the answer alone'
            cand --xl 'Print the last block of code of the answer alone'
            cand -c 'Go on with the latest conversation'
            cand --continue 'Go on with the latest conversation'
            cand --no-stream 'Print the answer when it is complete, not while it comes'
            cand --raw 'Print the answer as it is, not as Markdown set for the terminal; in a pipe it always is'
            cand --json 'Print JSON: the answer, or the decision; money in millionths of a dollar'
            cand -n 'Write nothing down: no conversation for `aimux logs`, no entry in the ledger'
            cand --no-log 'Write nothing down: no conversation for `aimux logs`, no entry in the ledger'
            cand --direct 'Ask and decide here, even if a server runs'
            cand --demo 'Let the built-in demo model answer: needs no config, account or key'
            cand --explain 'Tell where the request would go, and why'
            cand --dry-run 'The same, with tokens and price'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand import 'Take over what another program keeps'
        }
        &'aimux;route;import'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand llm 'Templates, aliases and logs of `llm`'
        }
        &'aimux;route;import;llm'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --dry-run 'Say what would be taken, and write nothing'
            cand --overwrite 'Replace templates whose names are taken'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;bench'= {
            cand --via 'Which ways are measured'
            cand -c 'Requests at a time: each waits for an answer before the next [default: 1]'
            cand --concurrency 'Requests at a time: each waits for an answer before the next [default: 1]'
            cand -r 'Requests a second, whatever becomes of those before; times count from when one was due'
            cand --rate 'Requests a second, whatever becomes of those before; times count from when one was due'
            cand --duration 'For how long: 30s, 5m, 2h, 1d'
            cand -n 'Requests on each way [default: 30, or as many as --duration has room for]; with --self, of a measurement [default: 2000]'
            cand --requests 'Requests on each way [default: 30, or as many as --duration has room for]; with --self, of a measurement [default: 2000]'
            cand --timeout 'How long one request may take'
            cand --prompt-file 'The prompt, instead of the scenario''s last; of a .jsonl one a line, as JSON strings, in turn'
            cand --stream 'Whether answers are streamed'
            cand --scenario 'What is asked'
            cand --max-tokens 'The most tokens of an answer'
            cand --client 'The dialect that is spoken to aimux'
            cand --max-cost 'Ask before more than this is spent, in dollars; without a terminal, refuse'
            cand --soak 'Work for so long and watch memory and descriptors of the aimux that is asked'
            cand --junit 'Write JUnit into a file'
            cand --html 'Write a page with charts into a file'
            cand --baseline 'Compare with an earlier run''s --json'
            cand --threshold 'What a figure must be, `ttft.p99<300ms` say; may be repeated'
            cand --part 'Be the upstream, or a pass-through to TARGET'
            cand --program 'Another aimux to measure: an earlier one, say'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -y 'Spend what is shown without being asked'
            cand --yes 'Spend what is shown without being asked'
            cand --demo 'Measure the built-in demo model: needs no config, account or key'
            cand --self 'Measure aimux itself against a bare pass-through: needs no network, config or key'
            cand --json 'Print JSON'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;chat'= {
            cand -m 'The model asked for [default: the config''s `default`, else the first provider''s main model]'
            cand --model 'The model asked for [default: the config''s `default`, else the first provider''s main model]'
            cand -s 'What the model is told before the prompts'
            cand --system 'What the model is told before the prompts'
            cand -a 'An image, a PDF or sound beside the first prompt: a file or an address; may be repeated'
            cand --attachment 'An image, a PDF or sound beside the first prompt: a file or an address; may be repeated'
            cand -f 'A text beside the first prompt: a file, all files of a folder, or a pattern; may be repeated'
            cand --fragment 'A text beside the first prompt: a file, all files of a folder, or a pattern; may be repeated'
            cand -o 'How answers are made, as of `aimux route`'
            cand --option 'How answers are made, as of `aimux route`'
            cand -t 'A prompt that was kept with `aimux route --save`: each prompt is its `$input`'
            cand --template 'A prompt that was kept with `aimux route --save`: each prompt is its `$input`'
            cand -p 'A variable of the template; may be repeated'
            cand --param 'A variable of the template; may be repeated'
            cand --cid 'Go on with this conversation, an id of `aimux logs`'
            cand --max-cost 'Do not ask if a prompt may cost more than this, in dollars'
            cand --color 'Whether answers have colours'
            cand --reasoning 'What becomes of what the model thinks aloud [default: dimmed on a terminal, left out in a pipe]'
            cand --header 'A header of the requests, for rules and policies: `x-aimux-project: acme`'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -c 'Go on with the latest conversation'
            cand --continue 'Go on with the latest conversation'
            cand --raw 'Print answers as they are, not as Markdown set for the terminal'
            cand -n 'Write nothing down: no conversation, no entry in the ledger, no line for the arrow keys'
            cand --no-log 'Write nothing down: no conversation, no entry in the ledger, no line for the arrow keys'
            cand --direct 'Ask and decide here, even if a server runs'
            cand --demo 'Let the built-in demo model answer: needs no config, account or key'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;keys'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand init 'Make the identity that opens the keys'
            cand add 'Add a provider''s key: from a hidden prompt or standard input'
            cand login 'Get a key by logging in to a provider in the browser'
            cand list 'List the keys, masked'
            cand rotate 'Exchange a key, wholly or not at all; the running server takes it without losing a request'
            cand recipients 'Show or change whose identities open the keys'
            cand test 'Ask providers whether they accept the keys; exit 1 when one is refused'
            cand show 'Show what is known of a key, masked'
            cand exec 'Run a program with keys in its environment, as the variables that it reads'
            cand export 'Write a key as an age file for somebody else'
            cand import 'Take keys from an age file, a folder of them or an .env file'
            cand scan 'Look for providers'' keys in files and git''s history; exit 1 when there is one'
            cand remove 'Delete a key for good'
            cand audit 'Show the log of changes to keys and config, or check it'
        }
        &'aimux;keys;init'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --passphrase 'Protect the identity with a passphrase: asked for, or read from standard input'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;add'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --force 'Replace a key of that name; the former one is kept in keys/.retired'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;login'= {
            cand --key 'What the key is called [default: the provider''s key in the config, else the provider''s name]'
            cand --login-timeout 'How long the login may take, in seconds'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --force 'Replace a key of that name; the former one is kept in keys/.retired'
            cand --no-browser 'Open no browser: show the address, and take what the browser of any machine ends at'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;list'= {
            cand --stale-after 'From which age on a key is called stale, in days'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;rotate'= {
            cand --keep 'How long the former one is kept, encrypted: 30m, 24h, 7d, 0'
            cand --login-timeout 'How long the login may take, in seconds'
            cand --from 'Take the new identity from this file: a plugin''s or a post-quantum one, its public key in a comment; `-` is standard input'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --no-probe 'Do not ask the provider whether it accepts the new key'
            cand --login 'Get the new key by logging in to the provider in the browser'
            cand --no-browser 'Open no browser: show the address, and take what the browser of any machine ends at'
            cand --identity 'Make a new identity instead, and encrypt every key to it'
            cand --passphrase 'Protect the new identity with a passphrase: asked for, or read from standard input'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;recipients'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand list 'List the public keys that open the keys'
            cand add 'Let another identity open the keys: every file is encrypted anew'
            cand remove 'Let an identity open the keys no more: every file is encrypted anew'
        }
        &'aimux;keys;recipients;list'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;recipients;add'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;recipients;remove'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --force 'Even the one of this machine''s own identity'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;test'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;show'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --reveal 'Print the key itself; on a terminal only'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;exec'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;export'= {
            cand --to 'A public key that may open the file; several may'
            cand -o 'Write to a new file, mode 0600, instead of standard output'
            cand --output 'Write to a new file, mode 0600, instead of standard output'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --passphrase 'A passphrase opens the file: asked for, or read from standard input'
            cand --plaintext 'No encryption: whoever reads the output has the key'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;import'= {
            cand --name 'What a single age file''s key is called here; else the file''s own name'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --force 'Replace keys of the same names; the former ones are kept in keys/.retired'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;scan'= {
            cand --baseline 'Pass over the findings that this file accepts'
            cand --write-baseline 'Write a file that accepts all that is found, and exit 0'
            cand --format 'How to print what is found'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --no-history 'Look at the files as they are now, not at git''s history'
            cand --json 'Print JSON'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;keys;remove'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;audit'= {
            cand --last 'How many entries, the last ones'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print the entries as they are written, a JSON object a line'
            cand -h 'Print help'
            cand --help 'Print help'
            cand list 'Show the last entries'
            cand verify 'Check that no entry was edited, cut out, moved or inserted; exit 74 with the first line that was'
        }
        &'aimux;keys;audit;list'= {
            cand --last 'How many entries, the last ones'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print the entries as they are written, a JSON object a line'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;keys;audit;verify'= {
            cand --seen 'A hash that an earlier verify printed: it must still be in the chain'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;config'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand init 'Write a first config, from a few questions or the keys at hand'
            cand validate 'Find every mistake in a config; exit 78 when there is one'
            cand show 'Print what holds, and where each value came from'
            cand backup 'Save the config and the encrypted keys'
            cand restore 'Restore a backup after it has passed the validator'
            cand list 'List the backups of the config'
            cand diff 'Tell what two configs do differently; exit 1 when they do'
            cand import 'Make a config of another program''s, and say what is lost'
            cand migrate 'Bring a config to this program''s version of the format'
            cand reload 'Let the running server take on its config and keys as they are now'
            cand schema 'Print the JSON Schema of the config, for editors'
            cand reference 'Print the reference of all fields, in Markdown'
        }
        &'aimux;config;init'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --from-env 'Take the providers whose variables are set, and ask nothing'
            cand --yes 'Take every provider whose key is at hand, and ask nothing'
            cand --force 'Replace a config that is there'
            cand --dry-run 'Print the config instead of writing it'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;config;validate'= {
            cand --format 'How the findings are shown'
            cand --explain 'Explain a code, `E0114` say, and do nothing else'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'The same as --format json'
            cand --strict 'Take warnings as errors; `serve` takes a key that is not there or cannot be opened as one'
            cand --offline 'Open no key file; only look whether it is there'
            cand --fix 'Mend in the files what can only have been meant in one way, then check them'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;config;show'= {
            cand --listen 'Show what holds with this flag of `serve`'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --resolved 'Show every field: defaults too, and variables filled in'
            cand --origin 'Say where each value came from: file and line, variable, flag or default'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;config;backup'= {
            cand --keep 'How many backups of this config to keep; older ones are removed'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;config;restore'= {
            cand --keep 'How many backups of this config to keep'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --keys 'Put the key files back too; those that differ are retired, further ones stay'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;config;list'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;config;diff'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;config;import'= {
            cand -o 'Where the config goes, `-` for standard output; else where `serve` looks for it'
            cand --output 'Where the config goes, `-` for standard output; else where `serve` looks for it'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --dry-run 'Print the config and the report, and write nothing'
            cand --force 'Replace a config and keys of the same names; the former ones are kept'
            cand --json 'Print the config and the report as JSON'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;config;migrate'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --dry-run 'Say what would change, and write nothing'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;config;reload'= {
            cand --drain 'Wait so many seconds, at most, until no request uses the former config and keys any more'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;config;schema'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;config;reference'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;status'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;logs'= {
            cand --since 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`'
            cand --until 'Up to when, itself not included'
            cand -m 'A part of the model asked for, or of the one that answered'
            cand --model 'A part of the model asked for, or of the one that answered'
            cand --min-cost 'What the conversation, or the request, cost at least, in dollars'
            cand -q 'What was said in it'
            cand --query 'What was said in it'
            cand -n 'The most conversations that are listed'
            cand --count 'The most conversations that are listed'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON; money in millionths of a dollar'
            cand -h 'Print help'
            cand --help 'Print help'
            cand list 'List conversations, the latest first'
            cand show 'Show a conversation whole'
            cand search 'Find what was said, and requests by session, project, model, error code, …'
            cand export 'Write conversations out, as JSON lines or Markdown'
            cand delete 'Delete conversations; what is deleted is overwritten'
        }
        &'aimux;logs;list'= {
            cand --since 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`'
            cand --until 'Up to when, itself not included'
            cand -m 'A part of the model asked for, or of the one that answered'
            cand --model 'A part of the model asked for, or of the one that answered'
            cand --min-cost 'What the conversation, or the request, cost at least, in dollars'
            cand -q 'What was said in it'
            cand --query 'What was said in it'
            cand -n 'The most conversations that are listed'
            cand --count 'The most conversations that are listed'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON; money in millionths of a dollar'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;logs;show'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -r 'Only the last answer; in a pipe, byte for byte'
            cand --response 'Only the last answer; in a pipe, byte for byte'
            cand --reasoning 'Also what the model thought'
            cand --json 'Print JSON; money in millionths of a dollar'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;logs;search'= {
            cand --since 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`'
            cand --until 'Up to when, itself not included'
            cand -m 'A part of the model asked for, or of the one that answered'
            cand --model 'A part of the model asked for, or of the one that answered'
            cand --min-cost 'What the conversation, or the request, cost at least, in dollars'
            cand --in 'Where to look [default: in both]'
            cand -n 'The most that is shown of each'
            cand --count 'The most that is shown of each'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;logs;export'= {
            cand --since 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`'
            cand --until 'Up to when, itself not included'
            cand -m 'A part of the model asked for, or of the one that answered'
            cand --model 'A part of the model asked for, or of the one that answered'
            cand --min-cost 'What the conversation, or the request, cost at least, in dollars'
            cand -q 'What was said in it'
            cand --query 'What was said in it'
            cand --format 'The form'
            cand -o 'The file to write, for its owner alone [default: standard output]'
            cand --output 'The file to write, for its owner alone [default: standard output]'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --contents 'With the content of attachments, in base64; for JSON lines'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;logs;delete'= {
            cand --older-than 'Those that did not go on since: `30d`, `2026-01-31`'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --all 'All of them'
            cand -y 'Ask nothing'
            cand --yes 'Ask nothing'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;models'= {
            cand --capability 'What it must be able to do, all of it'
            cand --max-price 'The highest price, of input and of output, in dollars per million tokens'
            cand --context 'The smallest window, in tokens: `200000`, `200k`, `1M`'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --all 'Also models of known providers that the config does not have'
            cand --refresh 'Ask the providers for their lists, and keep them'
            cand --json 'Print JSON'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;usage'= {
            cand --by 'What requests are grouped by'
            cand --since 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00` [default: all that is kept]'
            cand --until 'Up to when, itself not included'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON; money in millionths of a dollar'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;stop'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;restart'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;switch'= {
            cand --session 'The client''s id of the session [default: the one that asked last]'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --back 'Undo it: what the client asks for answers again'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;statusline'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;service'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand install 'Write the units and have the service manager listen; a second time changes nothing'
            cand uninstall 'Stop listening and remove the units'
            cand status 'Tell whether the units are installed and listened for; exits with 3 if not'
            cand start 'Listen again after `stop`'
            cand stop 'Stop listening, and the server; until `start` or the next login'
            cand logs 'Show what the server has logged'
        }
        &'aimux;service;install'= {
            cand --manager 'The kind of service manager [default: this machine''s]'
            cand --as 'The account that the machine''s service runs under, and whose config it has'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --system 'The machine''s service manager instead of the user''s own; needs root'
            cand --dry-run 'Say what would be done, and do nothing'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;service;uninstall'= {
            cand --manager 'The kind of service manager [default: this machine''s]'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --system 'The machine''s service manager instead of the user''s own; needs root'
            cand --dry-run 'Say what would be done, and do nothing'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;service;status'= {
            cand --manager 'The kind of service manager [default: this machine''s]'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --system 'The machine''s service manager instead of the user''s own'
            cand --json 'Print JSON'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;service;start'= {
            cand --manager 'The kind of service manager [default: this machine''s]'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --system 'The machine''s service manager instead of the user''s own; needs root'
            cand --dry-run 'Say what would be done, and do nothing'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;service;stop'= {
            cand --manager 'The kind of service manager [default: this machine''s]'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --system 'The machine''s service manager instead of the user''s own; needs root'
            cand --dry-run 'Say what would be done, and do nothing'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;service;logs'= {
            cand --manager 'The kind of service manager [default: this machine''s]'
            cand -n 'How many lines'
            cand --lines 'How many lines'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --system 'The machine''s service manager instead of the user''s own'
            cand -f 'Go on as lines come'
            cand --follow 'Go on as lines come'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;doctor'= {
            cand --bundle 'Also write a report without secrets, for whoever helps, into this new file'
            cand --live 'Ask these models, `provider/model`, what they really do, and keep it for routing; costs money'
            cand --max-cost 'With --live: ask before more than this is spent, in dollars; without a terminal, refuse'
            cand --timeout 'With --live: how long one request may take'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --offline 'Ask no provider'
            cand --fix 'Mend what loses nothing: rights of files, missing folders, what a dead server left; asks before each'
            cand --yes 'With --fix or --live: do not ask'
            cand --json 'Print JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;env'= {
            cand --shell 'The shell whose syntax is printed'
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand --json 'Print JSON'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aimux;complete'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aimux;generate'= {
            cand --config 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
    ]
    $completions[$command]
}
