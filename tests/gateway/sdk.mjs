// One job of a JavaScript SDK: MODULES KIND JOB URL TOKEN. Prints one line of JSON: what the SDK understood.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, kind, job, url, token] = process.argv.slice(2);
const resolve = createRequire(path.join(modules, "package.json")).resolve;
const load = async (name) => (await import(pathToFileURL(resolve(name)).href)).default;
const out = { final: null, notes: [], output_tokens: null, error: null, status: null };
const schema = { type: "object", properties: { text: { type: "string" } }, required: ["text"] };
const note = ({ text }) => { out.notes.push(text); return "noted " + text; };
const must = (condition, what) => { if (!condition) throw new Error(what); };

async function anthropic() {
  const client = new (await load("@anthropic-ai/sdk"))({ baseURL: url, apiKey: token, maxRetries: 0 });
  if (job === "models") {
    out.models = [];
    for await (const model of client.models.list({ limit: 1000 })) out.models.push(model.id);
    return;
  }
  const messages = [{ role: "user", content: "Please answer." }];
  const tools = [{ name: "note", description: "write a note", input_schema: schema }];
  for (let round = 0; round < 4; round++) {
    const ask = { model: "test-model", max_tokens: 1000, messages, tools };
    const message = job === "whole" ? await client.messages.create(ask) : await client.messages.stream(ask).finalMessage();
    out.output_tokens = message.usage.output_tokens;
    const calls = message.content.filter((block) => block.type === "tool_use");
    if (!calls.length) {
      must(message.stop_reason === "end_turn", `stop_reason ${message.stop_reason}`);
      out.final = message.content.filter((block) => block.type === "text").map((block) => block.text).join("");
      return;
    }
    must(message.stop_reason === "tool_use", `stop_reason ${message.stop_reason}`);
    messages.push({ role: "assistant", content: message.content });
    messages.push({ role: "user", content: calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: note(call.input) })) });
  }
}

async function openai() {
  const client = new (await load("openai"))({ baseURL: url + "/v1", apiKey: token, maxRetries: 0 });
  if (job === "models") {
    out.models = [];
    for await (const model of client.models.list()) out.models.push(model.id);
    return;
  }
  const messages = [{ role: "user", content: "Please answer." }];
  const tools = [{ type: "function", function: { name: "note", description: "write a note", parameters: schema } }];
  for (let round = 0; round < 4; round++) {
    const ask = { model: "test-model", messages, tools };
    const answer = job === "whole"
      ? await client.chat.completions.create(ask)
      : await client.chat.completions.stream({ ...ask, stream_options: { include_usage: true } }).finalChatCompletion();
    const choice = answer.choices[0];
    out.output_tokens = answer.usage.completion_tokens;
    const calls = choice.message.tool_calls ?? [];
    if (!calls.length) {
      must(choice.finish_reason === "stop", `finish_reason ${choice.finish_reason}`);
      out.final = choice.message.content;
      return;
    }
    must(choice.finish_reason === "tool_calls", `finish_reason ${choice.finish_reason}`);
    messages.push({ role: "assistant", content: choice.message.content, tool_calls: calls.map(({ id, function: f }) =>
      ({ id, type: "function", function: { name: f.name, arguments: f.arguments } })) });
    for (const call of calls) messages.push({ role: "tool", tool_call_id: call.id, content: note(JSON.parse(call.function.arguments)) });
  }
}

try {
  await { anthropic, openai }[kind]();
} catch (error) {
  out.error = `${error.constructor.name}: ${error.message}`;
  out.status = error.status ?? null;
}
console.log(JSON.stringify(out));
