"""One job of a Python SDK: KIND JOB URL TOKEN. Prints one line of JSON: what the SDK understood."""
import json
import sys

kind, job, url, token = sys.argv[1:5]
out = {"final": None, "notes": [], "output_tokens": None, "error": None, "status": None}
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


def note(text):
    out["notes"].append(text)
    return "noted " + text


def anthropic_job():
    import anthropic
    client = anthropic.Anthropic(base_url=url, api_key=token, max_retries=0)
    if job == "models":
        out["models"] = [model.id for model in client.models.list(limit=1000)]
        return
    messages = [{"role": "user", "content": "Please answer."}]
    tools = [{"name": "note", "description": "write a note", "input_schema": SCHEMA}]
    for _ in range(4):
        ask = dict(model="test-model", max_tokens=1000, messages=messages, tools=tools)
        if job == "whole":
            message = client.messages.create(**ask)
        else:
            with client.messages.stream(**ask) as stream:
                text = "".join(stream.text_stream)
                message = stream.get_final_message()
            assert text == "".join(block.text for block in message.content if block.type == "text")
        calls = [block for block in message.content if block.type == "tool_use"]
        out["output_tokens"] = message.usage.output_tokens
        if not calls:
            assert message.stop_reason == "end_turn", message.stop_reason
            out["final"] = "".join(block.text for block in message.content if block.type == "text")
            return
        assert message.stop_reason == "tool_use", message.stop_reason
        content = [{"type": b.type, "text": b.text} if b.type == "text" else {"type": b.type, "id": b.id, "name": b.name, "input": b.input}
                   for b in message.content]
        messages.append({"role": "assistant", "content": content})
        messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": b.id, "content": note(**b.input)} for b in calls]})


def openai_job():
    import openai
    client = openai.OpenAI(base_url=url + "/v1", api_key=token, max_retries=0)
    if job == "models":
        out["models"] = [model.id for model in client.models.list()]
        return
    messages = [{"role": "system", "content": "You are a test."}, {"role": "user", "content": "Please answer."}]
    tools = [{"type": "function", "function": {"name": "note", "description": "write a note", "parameters": SCHEMA}}]
    for _ in range(4):
        ask = dict(model="test-model", messages=messages, tools=tools)
        if job == "whole":
            answer = client.chat.completions.create(**ask)
        else:
            with client.chat.completions.stream(stream_options={"include_usage": True}, **ask) as stream:
                for _event in stream:
                    pass
                answer = stream.get_final_completion()
        choice = answer.choices[0]
        out["output_tokens"] = answer.usage.completion_tokens
        calls = choice.message.tool_calls
        if not calls:
            # The SDK itself takes a stream that merely ends for a finished one.
            assert choice.finish_reason == "stop", choice.finish_reason
            out["final"] = choice.message.content
            return
        assert choice.finish_reason == "tool_calls", choice.finish_reason
        messages.append({"role": "assistant", "content": choice.message.content, "tool_calls": [
            {"id": c.id, "type": "function", "function": {"name": c.function.name, "arguments": c.function.arguments}} for c in calls]})
        for call in calls:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": note(**json.loads(call.function.arguments))})


try:
    {"anthropic": anthropic_job, "openai": openai_job}[kind]()
except Exception as error:  # every failure is an answer to the test
    out["error"] = f"{type(error).__name__}: {error}"
    out["status"] = getattr(error, "status_code", None)
print(json.dumps(out))
