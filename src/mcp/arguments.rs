//! A call's arguments, as the model wrote them: the SDK parses them, and would print numbers its own way. What goes to the
//! server has the model's own text in the place of that.

use std::sync::Arc;

use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientJsonRpcMessage, ClientRequest, JsonObject, Request};
use serde_json::value::RawValue;

/// The text, carried along with the request.
#[derive(Debug, Clone)]
struct Exact {
    text: Arc<str>,
    /// How the SDK prints it.
    printed: Arc<str>,
}

/// What a model wrote, without the space around it; nothing stands for no arguments.
fn text(arguments: &str) -> &str {
    let trimmed = arguments.trim();
    if trimmed.is_empty() { "{}" } else { trimmed }
}

/// What it wrote, to the letter; `None`: it is no JSON object.
pub(crate) fn raw_object(arguments: &str) -> Option<Box<RawValue>> {
    let text = text(arguments);
    text.starts_with('{').then(|| RawValue::from_string(text.to_owned()).ok()).flatten()
}

/// What it wrote, read.
///
/// # Errors
/// When it is no JSON object.
pub(super) fn object(arguments: &str) -> Result<JsonObject, String> {
    serde_json::from_str(text(arguments)).map_err(|error| format!("they are no JSON object: {error}"))
}

/// A call of a tool.
///
/// # Errors
/// When the arguments are no JSON object.
pub(super) fn request(tool: &str, arguments: &str) -> Result<ClientRequest, String> {
    let (text, object) = (text(arguments), object(arguments)?);
    let printed = serde_json::to_string(&object).map_err(|error| format!("the arguments cannot be written: {error}"))?;
    let mut request: CallToolRequest = Request::new(CallToolRequestParams::new(tool.to_owned()).with_arguments(object));
    request.extensions.insert(Exact { text: text.into(), printed: printed.into() });
    Ok(ClientRequest::CallToolRequest(request))
}

/// A message as it goes to the server.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn written(message: &ClientJsonRpcMessage) -> serde_json::Result<String> {
    let text = serde_json::to_string(message)?;
    let exact = match message {
        ClientJsonRpcMessage::Request(request) => match &request.request {
            ClientRequest::CallToolRequest(call) => call.extensions.get::<Exact>(),
            _ => None,
        },
        _ => None,
    };
    let Some(exact) = exact.filter(|exact| exact.text != exact.printed) else { return Ok(text) };
    // Within a string its quotation marks would be escaped, so this is the member itself.
    let member = format!("\"arguments\":{}", exact.printed);
    Ok(text.replacen(&member, &format!("\"arguments\":{}", one_line(&exact.text)), 1))
}

/// JSON without the line feeds between its tokens: a message is a line. In a string there are none.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::model::RequestId;

    #[test]
    fn arguments_reach_the_server_as_the_model_wrote_them() {
        for (given, sent) in [
            (r#"{"b":1.10,"a":123456789012345678901234567890,"c":1e2}"#, r#"{"b":1.10,"a":123456789012345678901234567890,"c":1e2}"#),
            ("{\n  \"a\": \"x\\ny\",\r\n \"arguments\": {}\n}", "{   \"a\": \"x\\ny\",   \"arguments\": {} }"),
            ("", "{}"),
            (r#"{"a":"\"arguments\":{}"}"#, r#"{"a":"\"arguments\":{}"}"#),
        ] {
            let message = ClientJsonRpcMessage::request(request("t\"arguments\":{}", given).unwrap(), RequestId::Number(1));
            let text = written(&message).unwrap();
            assert!(text.contains(&format!("\"arguments\":{sent}")), "{text}");
            assert!(!text.contains('\n') && serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
        for bad in ["[1]", "{", "1", "null", "{\"a\":1}{"] {
            assert!(request("t", bad).is_err(), "{bad}");
        }
    }
}
