
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'aimux' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'aimux'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'aimux' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve clients on one local address')
            [CompletionResult]::new('run', 'run', [CompletionResultType]::ParameterValue, 'Run a client program with its environment set for aimux')
            [CompletionResult]::new('route', 'route', [CompletionResultType]::ParameterValue, 'Ask a model from the shell; `--explain` tells where a request would go, and why')
            [CompletionResult]::new('bench', 'bench', [CompletionResultType]::ParameterValue, 'Measure providers, what aimux adds to them, and aimux itself')
            [CompletionResult]::new('chat', 'chat', [CompletionResultType]::ParameterValue, 'Talk with a model: prompt after prompt, on the same way as `route`')
            [CompletionResult]::new('keys', 'keys', [CompletionResultType]::ParameterValue, 'Keep providers'' keys in age files')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Check, show and keep the config')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Tell whether the config''s server runs, and where')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'List, show, search, export and delete conversations')
            [CompletionResult]::new('models', 'models', [CompletionResultType]::ParameterValue, 'List models: what they can, what they cost, what leads to them')
            [CompletionResult]::new('usage', 'usage', [CompletionResultType]::ParameterValue, 'Show what requests took and cost')
            [CompletionResult]::new('stop', 'stop', [CompletionResultType]::ParameterValue, 'Stop the config''s server; requests in flight are answered first')
            [CompletionResult]::new('restart', 'restart', [CompletionResultType]::ParameterValue, 'Put a new server in the running one''s place; nobody is refused')
            [CompletionResult]::new('switch', 'switch', [CompletionResultType]::ParameterValue, 'Have a running session answered by another model')
            [CompletionResult]::new('statusline', 'statusline', [CompletionResultType]::ParameterValue, 'Print Claude Code''s status line, from the JSON that it gives')
            [CompletionResult]::new('service', 'service', [CompletionResultType]::ParameterValue, 'Have the service manager start the server when it is needed')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'Find what is not as it should be, and say what mends it')
            [CompletionResult]::new('env', 'env', [CompletionResultType]::ParameterValue, 'Print the environment that makes clients of this shell use aimux')
            [CompletionResult]::new('complete', 'complete', [CompletionResultType]::ParameterValue, 'Say what a shell is to offer for the word being typed')
            [CompletionResult]::new('generate', 'generate', [CompletionResultType]::ParameterValue, 'Write completions or man pages')
            break
        }
        'aimux;serve' {
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'The address to listen on, instead of the config''s, such as 127.0.0.1:8080; IPv6 in brackets; port 0 takes a free one')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'What the log shows: `warn`, `aimux=debug` [env: AIMUX_LOG] [default: info]')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'The log''s form [env: AIMUX_LOG_FORMAT] [default: text]')
            [CompletionResult]::new('--log-file', '--log-file', [CompletionResultType]::ParameterName, 'Log to this file instead of standard error; it may be moved away at any time')
            [CompletionResult]::new('--log-mb', '--log-mb', [CompletionResultType]::ParameterName, 'Put the file aside when it is as long, in MB; 0: never')
            [CompletionResult]::new('--log-hours', '--log-hours', [CompletionResultType]::ParameterName, 'Put the file aside when it is as old, in hours; 0: never')
            [CompletionResult]::new('--log-keep', '--log-keep', [CompletionResultType]::ParameterName, 'Keep so many files that were put aside')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--demo', '--demo', [CompletionResultType]::ParameterName, 'Serve a built-in demo model: needs no config, account or key')
            [CompletionResult]::new('--passphrase-stdin', '--passphrase-stdin', [CompletionResultType]::ParameterName, 'Read the passphrase of the identity from standard input')
            [CompletionResult]::new('--stdin-socket', '--stdin-socket', [CompletionResultType]::ParameterName, 'Take the listening socket from standard input, as launchd and inetd pass it on')
            [CompletionResult]::new('--background', '--background', [CompletionResultType]::ParameterName, 'Serve in the background, and return when the server is ready; one that runs already is as good')
            [CompletionResult]::new('--until-stdin-closes', '--until-stdin-closes', [CompletionResultType]::ParameterName, 'End when standard input does: a bench''s own server ends with it, however it ends')
            [CompletionResult]::new('--on-demand', '--on-demand', [CompletionResultType]::ParameterName, 'Leave the session of the command that starts it, for a client')
            [CompletionResult]::new('--detached', '--detached', [CompletionResultType]::ParameterName, 'The same, for an operator')
            [CompletionResult]::new('--take-over', '--take-over', [CompletionResultType]::ParameterName, 'Take the place of the server that runs')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;run' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--demo', '--demo', [CompletionResultType]::ParameterName, 'Have the built-in demo model answer: needs no config, account or key, and ends with the client')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;route' {
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'The model asked for [default: the config''s `default`, else the first provider''s main model; a request''s own]')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'The model asked for [default: the config''s `default`, else the first provider''s main model; a request''s own]')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'What the model is told before the prompt')
            [CompletionResult]::new('--system', '--system', [CompletionResultType]::ParameterName, 'What the model is told before the prompt')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'An image, a PDF or sound beside the prompt: a file, an address, or `-` for standard input; may be repeated')
            [CompletionResult]::new('--attachment', '--attachment', [CompletionResultType]::ParameterName, 'An image, a PDF or sound beside the prompt: a file, an address, or `-` for standard input; may be repeated')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'A text beside the prompt, with its name: a file, all files of a folder, or a pattern such as `src/**/*.rs`; may be repeated')
            [CompletionResult]::new('--fragment', '--fragment', [CompletionResultType]::ParameterName, 'A text beside the prompt, with its name: a file, all files of a folder, or a pattern such as `src/**/*.rs`; may be repeated')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How the answer is made: temperature, max_tokens, top_p, top_k, seed, stop, thinking, presence_penalty, frequency_penalty')
            [CompletionResult]::new('--option', '--option', [CompletionResultType]::ParameterName, 'How the answer is made: temperature, max_tokens, top_p, top_k, seed, stop, thinking, presence_penalty, frequency_penalty')
            [CompletionResult]::new('--schema', '--schema', [CompletionResultType]::ParameterName, 'The form of the answer: JSON Schema, a file of it, or `name, age int, bio: one sentence`; what comes is checked')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'A prompt that was kept with --save, or the path of one')
            [CompletionResult]::new('--template', '--template', [CompletionResultType]::ParameterName, 'A prompt that was kept with --save, or the path of one')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'A variable of the template; may be repeated')
            [CompletionResult]::new('--param', '--param', [CompletionResultType]::ParameterName, 'A variable of the template; may be repeated')
            [CompletionResult]::new('--save', '--save', [CompletionResultType]::ParameterName, 'Keep prompt, -s, -m, -o, --schema, -x and -p under a name, for -t; nobody is asked')
            [CompletionResult]::new('--compare', '--compare', [CompletionResultType]::ParameterName, 'Ask several models at once, and compare: `a,b[,c]`')
            [CompletionResult]::new('--cid', '--cid', [CompletionResultType]::ParameterName, 'Go on with this conversation, an id of `aimux logs`')
            [CompletionResult]::new('--max-cost', '--max-cost', [CompletionResultType]::ParameterName, 'Do not ask if it may cost more than this, in dollars')
            [CompletionResult]::new('--tool', '--tool', [CompletionResultType]::ParameterName, 'Let the model call the tools of a server under `mcp`, or one: SERVER, SERVER.TOOL, with `*`; each call is shown and asked about')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask about calls of these tools: SERVER or SERVER.TOOL, with `*`; may be repeated')
            [CompletionResult]::new('--steps', '--steps', [CompletionResultType]::ParameterName, 'How often the model may call tools before it has to have answered')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether the answer has colours; `always` sets Markdown in a pipe, too')
            [CompletionResult]::new('--reasoning', '--reasoning', [CompletionResultType]::ParameterName, 'What becomes of what the model thinks aloud [default: dimmed on a terminal, left out in a pipe]')
            [CompletionResult]::new('--request', '--request', [CompletionResultType]::ParameterName, 'The request of a client that is asked about; `-` is standard input')
            [CompletionResult]::new('--client', '--client', [CompletionResultType]::ParameterName, 'The program that asks, `claude-code` say')
            [CompletionResult]::new('--header', '--header', [CompletionResultType]::ParameterName, 'A header of the request, for rules and policies: `x-aimux-project: acme`')
            [CompletionResult]::new('--dialect', '--dialect', [CompletionResultType]::ParameterName, 'The dialect of the request [default: the capture''s, else anthropic]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-x', '-x', [CompletionResultType]::ParameterName, 'Print the first block of code of the answer alone')
            [CompletionResult]::new('--extract', '--extract', [CompletionResultType]::ParameterName, 'Print the first block of code of the answer alone')
            [CompletionResult]::new('--extract-last', '--extract-last', [CompletionResultType]::ParameterName, 'Print the last block of code of the answer alone')
            [CompletionResult]::new('--xl', '--xl', [CompletionResultType]::ParameterName, 'Print the last block of code of the answer alone')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Go on with the latest conversation')
            [CompletionResult]::new('--continue', '--continue', [CompletionResultType]::ParameterName, 'Go on with the latest conversation')
            [CompletionResult]::new('--no-stream', '--no-stream', [CompletionResultType]::ParameterName, 'Print the answer when it is complete, not while it comes')
            [CompletionResult]::new('--raw', '--raw', [CompletionResultType]::ParameterName, 'Print the answer as it is, not as Markdown set for the terminal; in a pipe it always is')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON: the answer, or the decision; money in millionths of a dollar')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Write nothing down: no conversation for `aimux logs`, no entry in the ledger')
            [CompletionResult]::new('--no-log', '--no-log', [CompletionResultType]::ParameterName, 'Write nothing down: no conversation for `aimux logs`, no entry in the ledger')
            [CompletionResult]::new('--direct', '--direct', [CompletionResultType]::ParameterName, 'Ask and decide here, even if a server runs')
            [CompletionResult]::new('--demo', '--demo', [CompletionResultType]::ParameterName, 'Let the built-in demo model answer: needs no config, account or key')
            [CompletionResult]::new('--explain', '--explain', [CompletionResultType]::ParameterName, 'Tell where the request would go, and why')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'The same, with tokens and price')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Take over what another program keeps')
            break
        }
        'aimux;route;import' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('llm', 'llm', [CompletionResultType]::ParameterValue, 'Templates, aliases and logs of `llm`')
            break
        }
        'aimux;route;import;llm' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be taken, and write nothing')
            [CompletionResult]::new('--overwrite', '--overwrite', [CompletionResultType]::ParameterName, 'Replace templates whose names are taken')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;bench' {
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Which ways are measured')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Requests at a time: each waits for an answer before the next [default: 1]')
            [CompletionResult]::new('--concurrency', '--concurrency', [CompletionResultType]::ParameterName, 'Requests at a time: each waits for an answer before the next [default: 1]')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Requests a second, whatever becomes of those before; times count from when one was due')
            [CompletionResult]::new('--rate', '--rate', [CompletionResultType]::ParameterName, 'Requests a second, whatever becomes of those before; times count from when one was due')
            [CompletionResult]::new('--duration', '--duration', [CompletionResultType]::ParameterName, 'For how long: 30s, 5m, 2h, 1d')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Requests on each way [default: 30, or as many as --duration has room for]; with --self, of a measurement [default: 2000]')
            [CompletionResult]::new('--requests', '--requests', [CompletionResultType]::ParameterName, 'Requests on each way [default: 30, or as many as --duration has room for]; with --self, of a measurement [default: 2000]')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long one request may take')
            [CompletionResult]::new('--prompt-file', '--prompt-file', [CompletionResultType]::ParameterName, 'The prompt, instead of the scenario''s last; of a .jsonl one a line, as JSON strings, in turn')
            [CompletionResult]::new('--stream', '--stream', [CompletionResultType]::ParameterName, 'Whether answers are streamed')
            [CompletionResult]::new('--scenario', '--scenario', [CompletionResultType]::ParameterName, 'What is asked')
            [CompletionResult]::new('--max-tokens', '--max-tokens', [CompletionResultType]::ParameterName, 'The most tokens of an answer')
            [CompletionResult]::new('--client', '--client', [CompletionResultType]::ParameterName, 'The dialect that is spoken to aimux')
            [CompletionResult]::new('--max-cost', '--max-cost', [CompletionResultType]::ParameterName, 'Ask before more than this is spent, in dollars; without a terminal, refuse')
            [CompletionResult]::new('--soak', '--soak', [CompletionResultType]::ParameterName, 'Work for so long and watch memory and descriptors of the aimux that is asked')
            [CompletionResult]::new('--junit', '--junit', [CompletionResultType]::ParameterName, 'Write JUnit into a file')
            [CompletionResult]::new('--html', '--html', [CompletionResultType]::ParameterName, 'Write a page with charts into a file')
            [CompletionResult]::new('--baseline', '--baseline', [CompletionResultType]::ParameterName, 'Compare with an earlier run''s --json')
            [CompletionResult]::new('--threshold', '--threshold', [CompletionResultType]::ParameterName, 'What a figure must be, `ttft.p99<300ms` say; may be repeated')
            [CompletionResult]::new('--part', '--part', [CompletionResultType]::ParameterName, 'Be the upstream, or a pass-through to TARGET')
            [CompletionResult]::new('--program', '--program', [CompletionResultType]::ParameterName, 'Another aimux to measure: an earlier one, say')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Spend what is shown without being asked')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Spend what is shown without being asked')
            [CompletionResult]::new('--demo', '--demo', [CompletionResultType]::ParameterName, 'Measure the built-in demo model: needs no config, account or key')
            [CompletionResult]::new('--self', '--self', [CompletionResultType]::ParameterName, 'Measure aimux itself against a bare pass-through: needs no network, config or key')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;chat' {
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'The model asked for [default: the config''s `default`, else the first provider''s main model]')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'The model asked for [default: the config''s `default`, else the first provider''s main model]')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'What the model is told before the prompts')
            [CompletionResult]::new('--system', '--system', [CompletionResultType]::ParameterName, 'What the model is told before the prompts')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'An image, a PDF or sound beside the first prompt: a file or an address; may be repeated')
            [CompletionResult]::new('--attachment', '--attachment', [CompletionResultType]::ParameterName, 'An image, a PDF or sound beside the first prompt: a file or an address; may be repeated')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'A text beside the first prompt: a file, all files of a folder, or a pattern; may be repeated')
            [CompletionResult]::new('--fragment', '--fragment', [CompletionResultType]::ParameterName, 'A text beside the first prompt: a file, all files of a folder, or a pattern; may be repeated')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How answers are made, as of `aimux route`')
            [CompletionResult]::new('--option', '--option', [CompletionResultType]::ParameterName, 'How answers are made, as of `aimux route`')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'A prompt that was kept with `aimux route --save`: each prompt is its `$input`')
            [CompletionResult]::new('--template', '--template', [CompletionResultType]::ParameterName, 'A prompt that was kept with `aimux route --save`: each prompt is its `$input`')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'A variable of the template; may be repeated')
            [CompletionResult]::new('--param', '--param', [CompletionResultType]::ParameterName, 'A variable of the template; may be repeated')
            [CompletionResult]::new('--cid', '--cid', [CompletionResultType]::ParameterName, 'Go on with this conversation, an id of `aimux logs`')
            [CompletionResult]::new('--max-cost', '--max-cost', [CompletionResultType]::ParameterName, 'Do not ask if a prompt may cost more than this, in dollars')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether answers have colours')
            [CompletionResult]::new('--reasoning', '--reasoning', [CompletionResultType]::ParameterName, 'What becomes of what the model thinks aloud [default: dimmed on a terminal, left out in a pipe]')
            [CompletionResult]::new('--header', '--header', [CompletionResultType]::ParameterName, 'A header of the requests, for rules and policies: `x-aimux-project: acme`')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Go on with the latest conversation')
            [CompletionResult]::new('--continue', '--continue', [CompletionResultType]::ParameterName, 'Go on with the latest conversation')
            [CompletionResult]::new('--raw', '--raw', [CompletionResultType]::ParameterName, 'Print answers as they are, not as Markdown set for the terminal')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Write nothing down: no conversation, no entry in the ledger, no line for the arrow keys')
            [CompletionResult]::new('--no-log', '--no-log', [CompletionResultType]::ParameterName, 'Write nothing down: no conversation, no entry in the ledger, no line for the arrow keys')
            [CompletionResult]::new('--direct', '--direct', [CompletionResultType]::ParameterName, 'Ask and decide here, even if a server runs')
            [CompletionResult]::new('--demo', '--demo', [CompletionResultType]::ParameterName, 'Let the built-in demo model answer: needs no config, account or key')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;keys' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Make the identity that opens the keys')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add a provider''s key: from a hidden prompt or standard input')
            [CompletionResult]::new('login', 'login', [CompletionResultType]::ParameterValue, 'Get a key by logging in to a provider in the browser')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the keys, masked')
            [CompletionResult]::new('rotate', 'rotate', [CompletionResultType]::ParameterValue, 'Exchange a key, wholly or not at all; the running server takes it without losing a request')
            [CompletionResult]::new('recipients', 'recipients', [CompletionResultType]::ParameterValue, 'Show or change whose identities open the keys')
            [CompletionResult]::new('test', 'test', [CompletionResultType]::ParameterValue, 'Ask providers whether they accept the keys; exit 1 when one is refused')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show what is known of a key, masked')
            [CompletionResult]::new('exec', 'exec', [CompletionResultType]::ParameterValue, 'Run a program with keys in its environment, as the variables that it reads')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Write a key as an age file for somebody else')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Take keys from an age file, a folder of them or an .env file')
            [CompletionResult]::new('scan', 'scan', [CompletionResultType]::ParameterValue, 'Look for providers'' keys in files and git''s history; exit 1 when there is one')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Delete a key for good')
            [CompletionResult]::new('audit', 'audit', [CompletionResultType]::ParameterValue, 'Show the log of changes to keys and config, or check it')
            break
        }
        'aimux;keys;init' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--passphrase', '--passphrase', [CompletionResultType]::ParameterName, 'Protect the identity with a passphrase: asked for, or read from standard input')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;add' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace a key of that name; the former one is kept in keys/.retired')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;login' {
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'What the key is called [default: the provider''s key in the config, else the provider''s name]')
            [CompletionResult]::new('--login-timeout', '--login-timeout', [CompletionResultType]::ParameterName, 'How long the login may take, in seconds')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace a key of that name; the former one is kept in keys/.retired')
            [CompletionResult]::new('--no-browser', '--no-browser', [CompletionResultType]::ParameterName, 'Open no browser: show the address, and take what the browser of any machine ends at')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;list' {
            [CompletionResult]::new('--stale-after', '--stale-after', [CompletionResultType]::ParameterName, 'From which age on a key is called stale, in days')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;rotate' {
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'How long the former one is kept, encrypted: 30m, 24h, 7d, 0')
            [CompletionResult]::new('--login-timeout', '--login-timeout', [CompletionResultType]::ParameterName, 'How long the login may take, in seconds')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Take the new identity from this file: a plugin''s or a post-quantum one, its public key in a comment; `-` is standard input')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--no-probe', '--no-probe', [CompletionResultType]::ParameterName, 'Do not ask the provider whether it accepts the new key')
            [CompletionResult]::new('--login', '--login', [CompletionResultType]::ParameterName, 'Get the new key by logging in to the provider in the browser')
            [CompletionResult]::new('--no-browser', '--no-browser', [CompletionResultType]::ParameterName, 'Open no browser: show the address, and take what the browser of any machine ends at')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'Make a new identity instead, and encrypt every key to it')
            [CompletionResult]::new('--passphrase', '--passphrase', [CompletionResultType]::ParameterName, 'Protect the new identity with a passphrase: asked for, or read from standard input')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;recipients' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the public keys that open the keys')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Let another identity open the keys: every file is encrypted anew')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Let an identity open the keys no more: every file is encrypted anew')
            break
        }
        'aimux;keys;recipients;list' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;recipients;add' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;recipients;remove' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Even the one of this machine''s own identity')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;test' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;show' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--reveal', '--reveal', [CompletionResultType]::ParameterName, 'Print the key itself; on a terminal only')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;exec' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;export' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'A public key that may open the file; several may')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write to a new file, mode 0600, instead of standard output')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write to a new file, mode 0600, instead of standard output')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--passphrase', '--passphrase', [CompletionResultType]::ParameterName, 'A passphrase opens the file: asked for, or read from standard input')
            [CompletionResult]::new('--plaintext', '--plaintext', [CompletionResultType]::ParameterName, 'No encryption: whoever reads the output has the key')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;import' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'What a single age file''s key is called here; else the file''s own name')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace keys of the same names; the former ones are kept in keys/.retired')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;scan' {
            [CompletionResult]::new('--baseline', '--baseline', [CompletionResultType]::ParameterName, 'Pass over the findings that this file accepts')
            [CompletionResult]::new('--write-baseline', '--write-baseline', [CompletionResultType]::ParameterName, 'Write a file that accepts all that is found, and exit 0')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How to print what is found')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--no-history', '--no-history', [CompletionResultType]::ParameterName, 'Look at the files as they are now, not at git''s history')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;keys;remove' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;audit' {
            [CompletionResult]::new('--last', '--last', [CompletionResultType]::ParameterName, 'How many entries, the last ones')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the entries as they are written, a JSON object a line')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'Show the last entries')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check that no entry was edited, cut out, moved or inserted; exit 74 with the first line that was')
            break
        }
        'aimux;keys;audit;list' {
            [CompletionResult]::new('--last', '--last', [CompletionResultType]::ParameterName, 'How many entries, the last ones')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the entries as they are written, a JSON object a line')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;keys;audit;verify' {
            [CompletionResult]::new('--seen', '--seen', [CompletionResultType]::ParameterName, 'A hash that an earlier verify printed: it must still be in the chain')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;config' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write a first config, from a few questions or the keys at hand')
            [CompletionResult]::new('validate', 'validate', [CompletionResultType]::ParameterValue, 'Find every mistake in a config; exit 78 when there is one')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print what holds, and where each value came from')
            [CompletionResult]::new('backup', 'backup', [CompletionResultType]::ParameterValue, 'Save the config and the encrypted keys')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Restore a backup after it has passed the validator')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the backups of the config')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Tell what two configs do differently; exit 1 when they do')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Make a config of another program''s, and say what is lost')
            [CompletionResult]::new('migrate', 'migrate', [CompletionResultType]::ParameterValue, 'Bring a config to this program''s version of the format')
            [CompletionResult]::new('reload', 'reload', [CompletionResultType]::ParameterValue, 'Let the running server take on its config and keys as they are now')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'Print the JSON Schema of the config, for editors')
            [CompletionResult]::new('reference', 'reference', [CompletionResultType]::ParameterValue, 'Print the reference of all fields, in Markdown')
            break
        }
        'aimux;config;init' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--from-env', '--from-env', [CompletionResultType]::ParameterName, 'Take the providers whose variables are set, and ask nothing')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Take every provider whose key is at hand, and ask nothing')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace a config that is there')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Print the config instead of writing it')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;config;validate' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How the findings are shown')
            [CompletionResult]::new('--explain', '--explain', [CompletionResultType]::ParameterName, 'Explain a code, `E0114` say, and do nothing else')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --format json')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Take warnings as errors; `serve` takes a key that is not there or cannot be opened as one')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Open no key file; only look whether it is there')
            [CompletionResult]::new('--fix', '--fix', [CompletionResultType]::ParameterName, 'Mend in the files what can only have been meant in one way, then check them')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;config;show' {
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Show what holds with this flag of `serve`')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--resolved', '--resolved', [CompletionResultType]::ParameterName, 'Show every field: defaults too, and variables filled in')
            [CompletionResult]::new('--origin', '--origin', [CompletionResultType]::ParameterName, 'Say where each value came from: file and line, variable, flag or default')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;config;backup' {
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'How many backups of this config to keep; older ones are removed')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;config;restore' {
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'How many backups of this config to keep')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--keys', '--keys', [CompletionResultType]::ParameterName, 'Put the key files back too; those that differ are retired, further ones stay')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;config;list' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;config;diff' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;config;import' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Where the config goes, `-` for standard output; else where `serve` looks for it')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Where the config goes, `-` for standard output; else where `serve` looks for it')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Print the config and the report, and write nothing')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace a config and keys of the same names; the former ones are kept')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the config and the report as JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;config;migrate' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would change, and write nothing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;config;reload' {
            [CompletionResult]::new('--drain', '--drain', [CompletionResultType]::ParameterName, 'Wait so many seconds, at most, until no request uses the former config and keys any more')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;config;schema' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;config;reference' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;status' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;logs' {
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Up to when, itself not included')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'A part of the model asked for, or of the one that answered')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'A part of the model asked for, or of the one that answered')
            [CompletionResult]::new('--min-cost', '--min-cost', [CompletionResultType]::ParameterName, 'What the conversation, or the request, cost at least, in dollars')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'What was said in it')
            [CompletionResult]::new('--query', '--query', [CompletionResultType]::ParameterName, 'What was said in it')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'The most conversations that are listed')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'The most conversations that are listed')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON; money in millionths of a dollar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List conversations, the latest first')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show a conversation whole')
            [CompletionResult]::new('search', 'search', [CompletionResultType]::ParameterValue, 'Find what was said, and requests by session, project, model, error code, …')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Write conversations out, as JSON lines or Markdown')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete conversations; what is deleted is overwritten')
            break
        }
        'aimux;logs;list' {
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Up to when, itself not included')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'A part of the model asked for, or of the one that answered')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'A part of the model asked for, or of the one that answered')
            [CompletionResult]::new('--min-cost', '--min-cost', [CompletionResultType]::ParameterName, 'What the conversation, or the request, cost at least, in dollars')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'What was said in it')
            [CompletionResult]::new('--query', '--query', [CompletionResultType]::ParameterName, 'What was said in it')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'The most conversations that are listed')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'The most conversations that are listed')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON; money in millionths of a dollar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;logs;show' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Only the last answer; in a pipe, byte for byte')
            [CompletionResult]::new('--response', '--response', [CompletionResultType]::ParameterName, 'Only the last answer; in a pipe, byte for byte')
            [CompletionResult]::new('--reasoning', '--reasoning', [CompletionResultType]::ParameterName, 'Also what the model thought')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON; money in millionths of a dollar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;logs;search' {
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Up to when, itself not included')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'A part of the model asked for, or of the one that answered')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'A part of the model asked for, or of the one that answered')
            [CompletionResult]::new('--min-cost', '--min-cost', [CompletionResultType]::ParameterName, 'What the conversation, or the request, cost at least, in dollars')
            [CompletionResult]::new('--in', '--in', [CompletionResultType]::ParameterName, 'Where to look [default: in both]')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'The most that is shown of each')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'The most that is shown of each')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;logs;export' {
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Up to when, itself not included')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'A part of the model asked for, or of the one that answered')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'A part of the model asked for, or of the one that answered')
            [CompletionResult]::new('--min-cost', '--min-cost', [CompletionResultType]::ParameterName, 'What the conversation, or the request, cost at least, in dollars')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'What was said in it')
            [CompletionResult]::new('--query', '--query', [CompletionResultType]::ParameterName, 'What was said in it')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The form')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'The file to write, for its owner alone [default: standard output]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'The file to write, for its owner alone [default: standard output]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--contents', '--contents', [CompletionResultType]::ParameterName, 'With the content of attachments, in base64; for JSON lines')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;logs;delete' {
            [CompletionResult]::new('--older-than', '--older-than', [CompletionResultType]::ParameterName, 'Those that did not go on since: `30d`, `2026-01-31`')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'All of them')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Ask nothing')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Ask nothing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;models' {
            [CompletionResult]::new('--capability', '--capability', [CompletionResultType]::ParameterName, 'What it must be able to do, all of it')
            [CompletionResult]::new('--max-price', '--max-price', [CompletionResultType]::ParameterName, 'The highest price, of input and of output, in dollars per million tokens')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'The smallest window, in tokens: `200000`, `200k`, `1M`')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Also models of known providers that the config does not have')
            [CompletionResult]::new('--refresh', '--refresh', [CompletionResultType]::ParameterName, 'Ask the providers for their lists, and keep them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;usage' {
            [CompletionResult]::new('--by', '--by', [CompletionResultType]::ParameterName, 'What requests are grouped by')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00` [default: all that is kept]')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Up to when, itself not included')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON; money in millionths of a dollar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;stop' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;restart' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;switch' {
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'The client''s id of the session [default: the one that asked last]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--back', '--back', [CompletionResultType]::ParameterName, 'Undo it: what the client asks for answers again')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;statusline' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;service' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('install', 'install', [CompletionResultType]::ParameterValue, 'Write the units and have the service manager listen; a second time changes nothing')
            [CompletionResult]::new('uninstall', 'uninstall', [CompletionResultType]::ParameterValue, 'Stop listening and remove the units')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Tell whether the units are installed and listened for; exits with 3 if not')
            [CompletionResult]::new('start', 'start', [CompletionResultType]::ParameterValue, 'Listen again after `stop`')
            [CompletionResult]::new('stop', 'stop', [CompletionResultType]::ParameterValue, 'Stop listening, and the server; until `start` or the next login')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show what the server has logged')
            break
        }
        'aimux;service;install' {
            [CompletionResult]::new('--manager', '--manager', [CompletionResultType]::ParameterName, 'The kind of service manager [default: this machine''s]')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'The account that the machine''s service runs under, and whose config it has')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--system', '--system', [CompletionResultType]::ParameterName, 'The machine''s service manager instead of the user''s own; needs root')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;service;uninstall' {
            [CompletionResult]::new('--manager', '--manager', [CompletionResultType]::ParameterName, 'The kind of service manager [default: this machine''s]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--system', '--system', [CompletionResultType]::ParameterName, 'The machine''s service manager instead of the user''s own; needs root')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;service;status' {
            [CompletionResult]::new('--manager', '--manager', [CompletionResultType]::ParameterName, 'The kind of service manager [default: this machine''s]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--system', '--system', [CompletionResultType]::ParameterName, 'The machine''s service manager instead of the user''s own')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;service;start' {
            [CompletionResult]::new('--manager', '--manager', [CompletionResultType]::ParameterName, 'The kind of service manager [default: this machine''s]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--system', '--system', [CompletionResultType]::ParameterName, 'The machine''s service manager instead of the user''s own; needs root')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;service;stop' {
            [CompletionResult]::new('--manager', '--manager', [CompletionResultType]::ParameterName, 'The kind of service manager [default: this machine''s]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--system', '--system', [CompletionResultType]::ParameterName, 'The machine''s service manager instead of the user''s own; needs root')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;service;logs' {
            [CompletionResult]::new('--manager', '--manager', [CompletionResultType]::ParameterName, 'The kind of service manager [default: this machine''s]')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'How many lines')
            [CompletionResult]::new('--lines', '--lines', [CompletionResultType]::ParameterName, 'How many lines')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--system', '--system', [CompletionResultType]::ParameterName, 'The machine''s service manager instead of the user''s own')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Go on as lines come')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Go on as lines come')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;doctor' {
            [CompletionResult]::new('--bundle', '--bundle', [CompletionResultType]::ParameterName, 'Also write a report without secrets, for whoever helps, into this new file')
            [CompletionResult]::new('--live', '--live', [CompletionResultType]::ParameterName, 'Ask these models, `provider/model`, what they really do, and keep it for routing; costs money')
            [CompletionResult]::new('--max-cost', '--max-cost', [CompletionResultType]::ParameterName, 'With --live: ask before more than this is spent, in dollars; without a terminal, refuse')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'With --live: how long one request may take')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Ask no provider')
            [CompletionResult]::new('--fix', '--fix', [CompletionResultType]::ParameterName, 'Mend what loses nothing: rights of files, missing folders, what a dead server left; asks before each')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'With --fix or --live: do not ask')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;env' {
            [CompletionResult]::new('--shell', '--shell', [CompletionResultType]::ParameterName, 'The shell whose syntax is printed')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aimux;complete' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aimux;generate' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux''s config folder]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
