//! Anthropic Messages, as client dialect and as upstream dialect.
//!
//! `wire` holds the records, `decode` reads requests, `encode`, `history`, `thinking`, `schema` and `media` write them; `response` does whole answers;
//! `stream` reads streams, `render` writes them, `tap` relays them within the dialect; `error` writes errors. Requests of
//! the same dialect are not read here at all: they pass as bytes. Start with [`CODEC`].

use super::Codec;
use super::failure::read_failure;

mod decode;
mod encode;
mod error;
mod history;
mod media;
mod render;
mod response;
mod schema;
mod stream;
mod tap;
mod thinking;
mod wire;

#[cfg(test)]
mod tests;

/// The codec.
pub static CODEC: Codec = Codec {
    decode_request: decode::decode_request,
    encode_request: encode::encode_request,
    stream_decoder: |reply, quirks| Box::new(stream::Decoder::new(reply, quirks)),
    stream_encoder: |reply| Box::new(render::Encoder::new(reply)),
    decode_response: response::decode_response,
    encode_response: response::encode_response,
    decode_error: read_failure,
    encode_error: error::encode_error,
    tap: |quirks| Box::new(tap::Tap::new(quirks)),
};
