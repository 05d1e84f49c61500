# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_aimux_global_optspecs
    string join \n config= h/help V/version
end

function __fish_aimux_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_aimux_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_aimux_using_subcommand
    set -l cmd (__fish_aimux_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c aimux -n "__fish_aimux_needs_command" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_needs_command" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_needs_command" -s V -l version -d 'Print version'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "serve" -d 'Serve clients on one local address'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "run" -d 'Run a client program with its environment set for aimux'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "route" -d 'Ask a model from the shell; `--explain` tells where a request would go, and why'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "bench" -d 'Measure providers, what aimux adds to them, and aimux itself'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "chat" -d 'Talk with a model: prompt after prompt, on the same way as `route`'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "keys" -d 'Keep providers\' keys in age files'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "config" -d 'Check, show and keep the config'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "status" -d 'Tell whether the config\'s server runs, and where'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "logs" -d 'List, show, search, export and delete conversations'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "models" -d 'List models: what they can, what they cost, what leads to them'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "usage" -d 'Show what requests took and cost'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "stop" -d 'Stop the config\'s server; requests in flight are answered first'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "restart" -d 'Put a new server in the running one\'s place; nobody is refused'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "switch" -d 'Have a running session answered by another model'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "statusline" -d 'Print Claude Code\'s status line, from the JSON that it gives'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "service" -d 'Have the service manager start the server when it is needed'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "doctor" -d 'Find what is not as it should be, and say what mends it'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "env" -d 'Print the environment that makes clients of this shell use aimux'
complete -c aimux -n "__fish_aimux_needs_command" -f -a "generate" -d 'Write completions or man pages'
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l listen -d 'The address to listen on, instead of the config\'s, such as 127.0.0.1:8080; IPv6 in brackets; port 0 takes a free one' -r
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l log -d 'What the log shows: `warn`, `aimux=debug` [env: AIMUX_LOG] [default: info]' -r
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l log-format -d 'The log\'s form [env: AIMUX_LOG_FORMAT] [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object a line'"
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l log-file -d 'Log to this file instead of standard error; it may be moved away at any time' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l log-mb -d 'Put the file aside when it is as long, in MB; 0: never' -r
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l log-hours -d 'Put the file aside when it is as old, in hours; 0: never' -r
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l log-keep -d 'Keep so many files that were put aside' -r
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l demo -d 'Serve a built-in demo model: needs no config, account or key'
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l passphrase-stdin -d 'Read the passphrase of the identity from standard input'
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l stdin-socket -d 'Take the listening socket from standard input, as launchd and inetd pass it on'
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l background -d 'Serve in the background, and return when the server is ready; one that runs already is as good'
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l on-demand -d 'Leave the session of the command that starts it, for a client'
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l detached -d 'The same, for an operator'
complete -c aimux -n "__fish_aimux_using_subcommand serve" -l take-over -d 'Take the place of the server that runs'
complete -c aimux -n "__fish_aimux_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand run" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -s m -l model -d 'The model asked for [default: the config\'s `default`, else the first provider\'s main model; a request\'s own]' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -s s -l system -d 'What the model is told before the prompt' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -s a -l attachment -d 'An image, a PDF or sound beside the prompt: a file, an address, or `-` for standard input; may be repeated' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -s f -l fragment -d 'A text beside the prompt, with its name: a file, all files of a folder, or a pattern such as `src/**/*.rs`; may be repeated' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -s o -l option -d 'How the answer is made: temperature, max_tokens, top_p, top_k, seed, stop, thinking, presence_penalty, frequency_penalty' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l schema -d 'The form of the answer: JSON Schema, a file of it, or `name, age int, bio: one sentence`; what comes is checked' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -s t -l template -d 'A prompt that was kept with --save, or the path of one' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -s p -l param -d 'A variable of the template; may be repeated' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l save -d 'Keep prompt, -s, -m, -o, --schema, -x and -p under a name, for -t; nobody is asked' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l compare -d 'Ask several models at once, and compare: `a,b[,c]`' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l cid -d 'Go on with this conversation, an id of `aimux logs`' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l max-cost -d 'Do not ask if it may cost more than this, in dollars' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l tool -d 'Let the model call the tools of a server under `mcp`, or one: SERVER, SERVER.TOOL, with `*`; each call is shown and asked about' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l yes -d 'Do not ask about calls of these tools: SERVER or SERVER.TOOL, with `*`; may be repeated' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l steps -d 'How often the model may call tools before it has to have answered' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l color -d 'Whether the answer has colours; `always` sets Markdown in a pipe, too' -r -f -a "auto\t'On a terminal that has them, unless a variable forbids it'
always\t''
never\t''"
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l reasoning -d 'What becomes of what the model thinks aloud [default: dimmed on a terminal, left out in a pipe]' -r -f -a "show\t'Before the answer; in a pipe on standard error'
hide\t'Nowhere'"
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l request -d 'The request of a client that is asked about; `-` is standard input' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l client -d 'The program that asks, `claude-code` say' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l header -d 'A header of the request, for rules and policies: `x-aimux-project: acme`' -r
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l dialect -d 'The dialect of the request [default: the capture\'s, else anthropic]' -r -f -a "anthropic\t'Anthropic Messages'
openai-chat\t'OpenAI Chat Completions'"
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -s x -l extract -d 'Print the first block of code of the answer alone'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l extract-last -l xl -d 'Print the last block of code of the answer alone'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -s c -l continue -d 'Go on with the latest conversation'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l no-stream -d 'Print the answer when it is complete, not while it comes'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l raw -d 'Print the answer as it is, not as Markdown set for the terminal; in a pipe it always is'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l json -d 'Print JSON: the answer, or the decision; money in millionths of a dollar'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -s n -l no-log -d 'Write nothing down: no conversation for `aimux logs`, no entry in the ledger'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l direct -d 'Ask and decide here, even if a server runs'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l demo -d 'Let the built-in demo model answer: needs no config, account or key'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l explain -d 'Tell where the request would go, and why'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -l dry-run -d 'The same, with tokens and price'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand route; and not __fish_seen_subcommand_from import" -a "import" -d 'Take over what another program keeps'
complete -c aimux -n "__fish_aimux_using_subcommand route; and __fish_seen_subcommand_from import" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand route; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand route; and __fish_seen_subcommand_from import" -f -a "llm" -d 'Templates, aliases and logs of `llm`'
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l via -d 'Which ways are measured' -r -f -a "aimux\t'Through the config\'s server, which is started if none runs'
direct\t'From here to the provider'
both\t'Both in turn: what aimux adds is told from pairs'"
complete -c aimux -n "__fish_aimux_using_subcommand bench" -s c -l concurrency -d 'Requests at a time: each waits for an answer before the next [default: 1]' -r
complete -c aimux -n "__fish_aimux_using_subcommand bench" -s r -l rate -d 'Requests a second, whatever becomes of those before; times count from when one was due' -r
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l duration -d 'For how long: 30s, 5m, 2h, 1d' -r
complete -c aimux -n "__fish_aimux_using_subcommand bench" -s n -l requests -d 'Requests on each way [default: 30, or as many as --duration has room for]; with --self, of a measurement [default: 2000]' -r
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l timeout -d 'How long one request may take' -r
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l prompt-file -d 'The prompt, instead of the scenario\'s last; of a .jsonl one a line, as JSON strings, in turn' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l stream -d 'Whether answers are streamed' -r -f -a "true\t''
false\t''"
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l scenario -d 'What is asked' -r -f -a "chat\t'A short question'
agent\t'A step of an agent: instructions, tools, a call with its result, and one more call wanted'
long\t'A document of 100 KB, marked for the cache, and a question about it'"
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l max-tokens -d 'The most tokens of an answer' -r
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l client -d 'The dialect that is spoken to aimux' -r -f -a "anthropic\t'Anthropic Messages'
openai-chat\t'OpenAI Chat Completions'"
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l max-cost -d 'Ask before more than this is spent, in dollars; without a terminal, refuse' -r
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l soak -d 'Work for so long and watch memory and descriptors of the aimux that is asked' -r
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l junit -d 'Write JUnit into a file' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l html -d 'Write a page with charts into a file' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l baseline -d 'Compare with an earlier run\'s --json' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l threshold -d 'What a figure must be, `ttft.p99<300ms` say; may be repeated' -r
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l part -d 'Be the upstream, or a pass-through to TARGET' -r
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l program -d 'Another aimux to measure: an earlier one, say' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand bench" -s y -l yes -d 'Spend what is shown without being asked'
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l demo -d 'Measure the built-in demo model: needs no config, account or key'
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l self -d 'Measure aimux itself against a bare pass-through: needs no network, config or key'
complete -c aimux -n "__fish_aimux_using_subcommand bench" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand chat" -s m -l model -d 'The model asked for [default: the config\'s `default`, else the first provider\'s main model]' -r
complete -c aimux -n "__fish_aimux_using_subcommand chat" -s s -l system -d 'What the model is told before the prompts' -r
complete -c aimux -n "__fish_aimux_using_subcommand chat" -s a -l attachment -d 'An image, a PDF or sound beside the first prompt: a file or an address; may be repeated' -r
complete -c aimux -n "__fish_aimux_using_subcommand chat" -s f -l fragment -d 'A text beside the first prompt: a file, all files of a folder, or a pattern; may be repeated' -r
complete -c aimux -n "__fish_aimux_using_subcommand chat" -s o -l option -d 'How answers are made, as of `aimux route`' -r
complete -c aimux -n "__fish_aimux_using_subcommand chat" -s t -l template -d 'A prompt that was kept with `aimux route --save`: each prompt is its `$input`' -r
complete -c aimux -n "__fish_aimux_using_subcommand chat" -s p -l param -d 'A variable of the template; may be repeated' -r
complete -c aimux -n "__fish_aimux_using_subcommand chat" -l cid -d 'Go on with this conversation, an id of `aimux logs`' -r
complete -c aimux -n "__fish_aimux_using_subcommand chat" -l max-cost -d 'Do not ask if a prompt may cost more than this, in dollars' -r
complete -c aimux -n "__fish_aimux_using_subcommand chat" -l color -d 'Whether answers have colours' -r -f -a "auto\t'On a terminal that has them, unless a variable forbids it'
always\t''
never\t''"
complete -c aimux -n "__fish_aimux_using_subcommand chat" -l reasoning -d 'What becomes of what the model thinks aloud [default: dimmed on a terminal, left out in a pipe]' -r -f -a "show\t'Before the answer; in a pipe on standard error'
hide\t'Nowhere'"
complete -c aimux -n "__fish_aimux_using_subcommand chat" -l header -d 'A header of the requests, for rules and policies: `x-aimux-project: acme`' -r
complete -c aimux -n "__fish_aimux_using_subcommand chat" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand chat" -s c -l continue -d 'Go on with the latest conversation'
complete -c aimux -n "__fish_aimux_using_subcommand chat" -l raw -d 'Print answers as they are, not as Markdown set for the terminal'
complete -c aimux -n "__fish_aimux_using_subcommand chat" -s n -l no-log -d 'Write nothing down: no conversation, no entry in the ledger, no line for the arrow keys'
complete -c aimux -n "__fish_aimux_using_subcommand chat" -l direct -d 'Ask and decide here, even if a server runs'
complete -c aimux -n "__fish_aimux_using_subcommand chat" -l demo -d 'Let the built-in demo model answer: needs no config, account or key'
complete -c aimux -n "__fish_aimux_using_subcommand chat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "init" -d 'Make the identity that opens the keys'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "add" -d 'Add a provider\'s key: from a hidden prompt or standard input'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "login" -d 'Get a key by logging in to a provider in the browser'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "list" -d 'List the keys, masked'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "rotate" -d 'Exchange a key, wholly or not at all; the running server takes it without losing a request'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "recipients" -d 'Show or change whose identities open the keys'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "test" -d 'Ask providers whether they accept the keys; exit 1 when one is refused'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "show" -d 'Show what is known of a key, masked'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "exec" -d 'Run a program with keys in its environment, as the variables that it reads'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "export" -d 'Write a key as an age file for somebody else'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "import" -d 'Take keys from an age file, a folder of them or an .env file'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "scan" -d 'Look for providers\' keys in files and git\'s history; exit 1 when there is one'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "remove" -d 'Delete a key for good'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and not __fish_seen_subcommand_from init add login list rotate recipients test show exec export import scan remove audit" -f -a "audit" -d 'Show the log of changes to keys and config, or check it'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from init" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from init" -l passphrase -d 'Protect the identity with a passphrase: asked for, or read from standard input'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from add" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from add" -l force -d 'Replace a key of that name; the former one is kept in keys/.retired'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from login" -l key -d 'What the key is called [default: the provider\'s key in the config, else the provider\'s name]' -r
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from login" -l login-timeout -d 'How long the login may take, in seconds' -r
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from login" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from login" -l force -d 'Replace a key of that name; the former one is kept in keys/.retired'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from login" -l no-browser -d 'Open no browser: show the address, and take what the browser of any machine ends at'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from login" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from list" -l stale-after -d 'From which age on a key is called stale, in days' -r
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from list" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l keep -d 'How long the former one is kept, encrypted: 30m, 24h, 7d, 0' -r
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l login-timeout -d 'How long the login may take, in seconds' -r
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l from -d 'Take the new identity from this file: a plugin\'s or a post-quantum one, its public key in a comment; `-` is standard input' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l no-probe -d 'Do not ask the provider whether it accepts the new key'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l login -d 'Get the new key by logging in to the provider in the browser'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l no-browser -d 'Open no browser: show the address, and take what the browser of any machine ends at'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l identity -d 'Make a new identity instead, and encrypt every key to it'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l passphrase -d 'Protect the new identity with a passphrase: asked for, or read from standard input'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from recipients" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from recipients" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from recipients" -f -a "list" -d 'List the public keys that open the keys'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from recipients" -f -a "add" -d 'Let another identity open the keys: every file is encrypted anew'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from recipients" -f -a "remove" -d 'Let an identity open the keys no more: every file is encrypted anew'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from test" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from test" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from show" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from show" -l reveal -d 'Print the key itself; on a terminal only'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from exec" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from exec" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from export" -l to -d 'A public key that may open the file; several may' -r
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from export" -s o -l output -d 'Write to a new file, mode 0600, instead of standard output' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from export" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from export" -l passphrase -d 'A passphrase opens the file: asked for, or read from standard input'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from export" -l plaintext -d 'No encryption: whoever reads the output has the key'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from import" -l name -d 'What a single age file\'s key is called here; else the file\'s own name' -r
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from import" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from import" -l force -d 'Replace keys of the same names; the former ones are kept in keys/.retired'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from scan" -l baseline -d 'Pass over the findings that this file accepts' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from scan" -l write-baseline -d 'Write a file that accepts all that is found, and exit 0' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from scan" -l format -d 'How to print what is found' -r -f -a "text\t'A line for each key'
json\t'One JSON object'
sarif\t'SARIF 2.1.0, for code-scanning services'"
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from scan" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from scan" -l no-history -d 'Look at the files as they are now, not at git\'s history'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from scan" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from scan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from remove" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from audit" -l last -d 'How many entries, the last ones' -r
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from audit" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from audit" -l json -d 'Print the entries as they are written, a JSON object a line'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from audit" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from audit" -f -a "list" -d 'Show the last entries'
complete -c aimux -n "__fish_aimux_using_subcommand keys; and __fish_seen_subcommand_from audit" -f -a "verify" -d 'Check that no entry was edited, cut out, moved or inserted; exit 74 with the first line that was'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "init" -d 'Write a first config, from a few questions or the keys at hand'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "validate" -d 'Find every mistake in a config; exit 78 when there is one'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "show" -d 'Print what holds, and where each value came from'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "backup" -d 'Save the config and the encrypted keys'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "restore" -d 'Restore a backup after it has passed the validator'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "list" -d 'List the backups of the config'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "diff" -d 'Tell what two configs do differently; exit 1 when they do'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "import" -d 'Make a config of another program\'s, and say what is lost'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "migrate" -d 'Bring a config to this program\'s version of the format'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "reload" -d 'Let the running server take on its config and keys as they are now'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "schema" -d 'Print the JSON Schema of the config, for editors'
complete -c aimux -n "__fish_aimux_using_subcommand config; and not __fish_seen_subcommand_from init validate show backup restore list diff import migrate reload schema reference" -f -a "reference" -d 'Print the reference of all fields, in Markdown'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from init" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from init" -l from-env -d 'Take the providers whose variables are set, and ask nothing'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from init" -l yes -d 'Take every provider whose key is at hand, and ask nothing'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from init" -l force -d 'Replace a config that is there'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from init" -l dry-run -d 'Print the config instead of writing it'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from validate" -l format -d 'How the findings are shown' -r -f -a "text\t'Excerpts, for people'
json\t'One JSON document'
github\t'Annotations of GitHub\'s runners'
sarif\t'SARIF 2.1.0'
junit\t'JUnit\'s XML, a suite a file'"
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from validate" -l explain -d 'Explain a code, `E0114` say, and do nothing else' -r
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from validate" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from validate" -l json -d 'The same as --format json'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from validate" -l strict -d 'Take warnings as errors; `serve` takes a key that is not there or cannot be opened as one'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from validate" -l offline -d 'Open no key file; only look whether it is there'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from validate" -l fix -d 'Mend in the files what can only have been meant in one way, then check them'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from show" -l listen -d 'Show what holds with this flag of `serve`' -r
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from show" -l resolved -d 'Show every field: defaults too, and variables filled in'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from show" -l origin -d 'Say where each value came from: file and line, variable, flag or default'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from backup" -l keep -d 'How many backups of this config to keep; older ones are removed' -r
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from backup" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from backup" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from restore" -l keep -d 'How many backups of this config to keep' -r
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from restore" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from restore" -l keys -d 'Put the key files back too; those that differ are retired, further ones stay'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from list" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from diff" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from diff" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from import" -s o -l output -d 'Where the config goes, `-` for standard output; else where `serve` looks for it' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from import" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from import" -l dry-run -d 'Print the config and the report, and write nothing'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from import" -l force -d 'Replace a config and keys of the same names; the former ones are kept'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from import" -l json -d 'Print the config and the report as JSON'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from migrate" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from migrate" -l dry-run -d 'Say what would change, and write nothing'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from migrate" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from reload" -l drain -d 'Wait so many seconds, at most, until no request uses the former config and keys any more' -r
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from reload" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from reload" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from reload" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from schema" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from reference" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand config; and __fish_seen_subcommand_from reference" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand status" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand status" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand status" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -l since -d 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -l until -d 'Up to when, itself not included' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -s m -l model -d 'A part of the model asked for, or of the one that answered' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -l min-cost -d 'What the conversation, or the request, cost at least, in dollars' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -s q -l query -d 'What was said in it' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -s n -l count -d 'The most conversations that are listed' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -l json -d 'Print JSON; money in millionths of a dollar'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -f -a "list" -d 'List conversations, the latest first'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -f -a "show" -d 'Show a conversation whole'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -f -a "search" -d 'Find what was said, and requests by session, project, model, error code, …'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -f -a "export" -d 'Write conversations out, as JSON lines or Markdown'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and not __fish_seen_subcommand_from list show search export delete" -f -a "delete" -d 'Delete conversations; what is deleted is overwritten'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from list" -l since -d 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from list" -l until -d 'Up to when, itself not included' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from list" -s m -l model -d 'A part of the model asked for, or of the one that answered' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from list" -l min-cost -d 'What the conversation, or the request, cost at least, in dollars' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from list" -s q -l query -d 'What was said in it' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from list" -s n -l count -d 'The most conversations that are listed' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from list" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from list" -l json -d 'Print JSON; money in millionths of a dollar'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from show" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from show" -s r -l response -d 'Only the last answer; in a pipe, byte for byte'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from show" -l reasoning -d 'Also what the model thought'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from show" -l json -d 'Print JSON; money in millionths of a dollar'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from search" -l since -d 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from search" -l until -d 'Up to when, itself not included' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from search" -s m -l model -d 'A part of the model asked for, or of the one that answered' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from search" -l min-cost -d 'What the conversation, or the request, cost at least, in dollars' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from search" -l in -d 'Where to look [default: in both]' -r -f -a "conversations\t'Prompts and answers of `aimux route` and `aimux chat`'
requests\t'All requests, by what the ledger has of them: session, project, program, model, provider, key\'s name, id, error code, status'"
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from search" -s n -l count -d 'The most that is shown of each' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from search" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from search" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from search" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from export" -l since -d 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from export" -l until -d 'Up to when, itself not included' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from export" -s m -l model -d 'A part of the model asked for, or of the one that answered' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from export" -l min-cost -d 'What the conversation, or the request, cost at least, in dollars' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from export" -s q -l query -d 'What was said in it' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from export" -l format -d 'The form' -r -f -a "jsonl\t'A line of JSON for each conversation'
markdown\t'Markdown'"
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from export" -s o -l output -d 'The file to write, for its owner alone [default: standard output]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from export" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from export" -l contents -d 'With the content of attachments, in base64; for JSON lines'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from delete" -l older-than -d 'Those that did not go on since: `30d`, `2026-01-31`' -r
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from delete" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from delete" -l all -d 'All of them'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from delete" -s y -l yes -d 'Ask nothing'
complete -c aimux -n "__fish_aimux_using_subcommand logs; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand models" -l capability -d 'What it must be able to do, all of it' -r -f -a "tools\t'Takes tools'
thinking\t'Thinks'
structured\t'Enforces schemas of answers'
images\t'Sees images'
documents\t'Reads PDF'"
complete -c aimux -n "__fish_aimux_using_subcommand models" -l max-price -d 'The highest price, of input and of output, in dollars per million tokens' -r
complete -c aimux -n "__fish_aimux_using_subcommand models" -l context -d 'The smallest window, in tokens: `200000`, `200k`, `1M`' -r
complete -c aimux -n "__fish_aimux_using_subcommand models" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand models" -l all -d 'Also models of known providers that the config does not have'
complete -c aimux -n "__fish_aimux_using_subcommand models" -l refresh -d 'Ask the providers for their lists, and keep them'
complete -c aimux -n "__fish_aimux_using_subcommand models" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand models" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand usage" -l by -d 'What requests are grouped by' -r -f -a "model\t'Provider and model'
provider\t'Provider'
day\t'Day'
hour\t'Hour'
session\t'The client\'s session'
role\t'What they are for, in the client\'s own work: main, background, subagent'
agent\t'The agent within a session'
project\t'Project'
client\t'The client\'s program'
route\t'What decided where they went'
key\t'The provider\'s key'"
complete -c aimux -n "__fish_aimux_using_subcommand usage" -l since -d 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00` [default: all that is kept]' -r
complete -c aimux -n "__fish_aimux_using_subcommand usage" -l until -d 'Up to when, itself not included' -r
complete -c aimux -n "__fish_aimux_using_subcommand usage" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand usage" -l json -d 'Print JSON; money in millionths of a dollar'
complete -c aimux -n "__fish_aimux_using_subcommand usage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand stop" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand stop" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand restart" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand restart" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand switch" -l session -d 'The client\'s id of the session [default: the one that asked last]' -r
complete -c aimux -n "__fish_aimux_using_subcommand switch" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand switch" -l back -d 'Undo it: what the client asks for answers again'
complete -c aimux -n "__fish_aimux_using_subcommand switch" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand statusline" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand statusline" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status start stop logs" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status start stop logs" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status start stop logs" -f -a "install" -d 'Write the units and have the service manager listen; a second time changes nothing'
complete -c aimux -n "__fish_aimux_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status start stop logs" -f -a "uninstall" -d 'Stop listening and remove the units'
complete -c aimux -n "__fish_aimux_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status start stop logs" -f -a "status" -d 'Tell whether the units are installed and listened for; exits with 3 if not'
complete -c aimux -n "__fish_aimux_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status start stop logs" -f -a "start" -d 'Listen again after `stop`'
complete -c aimux -n "__fish_aimux_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status start stop logs" -f -a "stop" -d 'Stop listening, and the server; until `start` or the next login'
complete -c aimux -n "__fish_aimux_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status start stop logs" -f -a "logs" -d 'Show what the server has logged'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from install" -l manager -d 'The kind of service manager [default: this machine\'s]' -r -f -a "systemd\t'Linux'
launchd\t'macOS'"
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from install" -l as -d 'The account that the machine\'s service runs under, and whose config it has' -r
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from install" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from install" -l system -d 'The machine\'s service manager instead of the user\'s own; needs root'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from install" -l dry-run -d 'Say what would be done, and do nothing'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l manager -d 'The kind of service manager [default: this machine\'s]' -r -f -a "systemd\t'Linux'
launchd\t'macOS'"
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l system -d 'The machine\'s service manager instead of the user\'s own; needs root'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l dry-run -d 'Say what would be done, and do nothing'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from uninstall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from status" -l manager -d 'The kind of service manager [default: this machine\'s]' -r -f -a "systemd\t'Linux'
launchd\t'macOS'"
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from status" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from status" -l system -d 'The machine\'s service manager instead of the user\'s own'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from status" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from start" -l manager -d 'The kind of service manager [default: this machine\'s]' -r -f -a "systemd\t'Linux'
launchd\t'macOS'"
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from start" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from start" -l system -d 'The machine\'s service manager instead of the user\'s own; needs root'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from start" -l dry-run -d 'Say what would be done, and do nothing'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from stop" -l manager -d 'The kind of service manager [default: this machine\'s]' -r -f -a "systemd\t'Linux'
launchd\t'macOS'"
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from stop" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from stop" -l system -d 'The machine\'s service manager instead of the user\'s own; needs root'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from stop" -l dry-run -d 'Say what would be done, and do nothing'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from logs" -l manager -d 'The kind of service manager [default: this machine\'s]' -r -f -a "systemd\t'Linux'
launchd\t'macOS'"
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from logs" -s n -l lines -d 'How many lines' -r
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from logs" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from logs" -l system -d 'The machine\'s service manager instead of the user\'s own'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on as lines come'
complete -c aimux -n "__fish_aimux_using_subcommand service; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand doctor" -l bundle -d 'Also write a report without secrets, for whoever helps, into this new file' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand doctor" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand doctor" -l offline -d 'Ask no provider'
complete -c aimux -n "__fish_aimux_using_subcommand doctor" -l fix -d 'Mend what loses nothing: rights of files, missing folders, what a dead server left; asks before each'
complete -c aimux -n "__fish_aimux_using_subcommand doctor" -l yes -d 'With --fix: do not ask'
complete -c aimux -n "__fish_aimux_using_subcommand doctor" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c aimux -n "__fish_aimux_using_subcommand env" -l shell -d 'The shell whose syntax is printed' -r -f -a "bash\t'bash, and any POSIX shell'
zsh\t'zsh'
fish\t'fish'
powershell\t'PowerShell'"
complete -c aimux -n "__fish_aimux_using_subcommand env" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand env" -l json -d 'Print JSON'
complete -c aimux -n "__fish_aimux_using_subcommand env" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aimux -n "__fish_aimux_using_subcommand generate" -l config -d 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux\'s config folder]' -r -F
complete -c aimux -n "__fish_aimux_using_subcommand generate" -s h -l help -d 'Print help (see more with \'--help\')'
