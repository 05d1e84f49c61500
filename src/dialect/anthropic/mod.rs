//! Anthropic Messages, as client dialect and as upstream dialect.
//!
//! `wire` holds the records. `request_in` reads requests; `request_out` writes them, with `history`, `messages_out`,
//! `tools_out`, `thinking`, `schema` and `media`. `response_in` and `response_out` do whole answers, `stream_in` and `stream_out`
//! streams, `citation` what both cite; `tap` relays streams within the dialect; `error` writes errors. Requests of the same dialect are not read here at all: they pass as bytes. Start
//! with [`CODEC`].

use super::Codec;
use super::failure::read_failure;

mod citation;
mod error;
mod history;
mod lack;
mod media;
mod mended;
mod messages_out;
mod relayed;
mod request_in;
mod request_out;
mod response_in;
mod response_out;
mod schema;
mod sealed;
mod stream_in;
mod stream_out;
mod tap;
mod thinking;
mod tools_out;
mod wire;

#[cfg(test)]
mod tests;

/// What the ids of this dialect's answers begin with.
const ID: &str = "msg_";

/// The codec.
pub static CODEC: Codec = Codec {
    decode_request: request_in::decode,
    encode_request: request_out::encode,
    stream_decoder: |reply, quirks| Box::new(stream_in::Decoder::new(reply, quirks)),
    stream_encoder: |reply| Box::new(stream_out::Encoder::new(reply)),
    decode_response: response_in::decode_response,
    encode_response: response_out::encode_response,
    decode_error: read_failure,
    encode_error: error::encode_error,
    tap: |map, quirks, frame_max| Box::new(tap::Tap::new(map, quirks, frame_max)),
    text_tools: |_| Vec::new(),
    go_on: request_out::go_on,
    wants_usage: |_| true,
    relay: relayed::relay,
};
