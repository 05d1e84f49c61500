//! OpenAI Chat Completions: as the dialect of clients, and as the dialect of upstreams with their many faults.
//!
//! It knows no provider: what differs comes in as [`Quirks`](super::Quirks). It lacks pictures and sound in answers, and
//! more than one choice. Start with [`CODEC`]; requests are read by `request_in`, written by `request_out`; every answer,
//! streamed or whole, is read by `answer`.

use std::time::{SystemTime, UNIX_EPOCH};

use super::names::fresh_id;
use super::{Codec, failure};

mod annotated;
mod annotation;
mod answer;
mod calls;
mod chunk;
mod details;
mod error;
mod inline_think;
mod mended;
mod messages_in;
mod messages_out;
mod naming;
mod record;
mod renumber;
mod request_in;
mod request_out;
mod response_out;
mod schema;
mod stream_in;
mod stream_out;
mod tap;
#[cfg(test)]
mod tests;
mod text_calls;
mod thinking_out;
mod thinking_state;
mod tools_out;

/// What the ids of this dialect's answers begin with.
const ID: &str = "chatcmpl-";

/// The codec.
pub static CODEC: Codec = Codec {
    decode_request: request_in::decode,
    encode_request: request_out::encode,
    stream_decoder: |map, quirks| Box::new(stream_in::Decoder::new(map, quirks)),
    stream_encoder: |map| Box::new(stream_out::Encoder::new(map)),
    decode_response: stream_in::whole,
    encode_response: response_out::encode,
    decode_error: failure::read_failure,
    encode_error: |failure, _| error::encode(failure),
    tap: |map, quirks, frame_max| Box::new(tap::Tap::new(map, quirks, frame_max)),
    text_tools: text_calls::tools_of,
    go_on: request_out::go_on,
    wants_usage: request_out::wants_usage,
    relay: |body, map, quirks| {
        let usage = stream_in::whole(&body, map, quirks)?.usage;
        Ok((mended::mend(body, map), usage))
    },
};

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
