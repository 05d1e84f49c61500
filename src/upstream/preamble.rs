//! What is held back of an answer until its content begins.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::dialect::{Dialect, ReplyMap, ReplyStream};

/// What is held back of an answer until its content begins, and whether the client's stream has been started without it.
#[derive(Debug, Default)]
pub struct Preamble(Mutex<PreambleState>);

#[derive(Debug, Default)]
struct PreambleState {
    held: Vec<u8>,
    is_sent: bool,
    /// Keep-alives that the client was sent after its start and before any content.
    kept_alive: u32,
}

impl Preamble {
    fn state(&self) -> MutexGuard<'_, PreambleState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new attempt begins: what an earlier one said and the client has not seen is void.
    pub(super) fn forget_unsent(&self) {
        self.state().held.clear();
    }

    /// Tells that the client was sent a keep-alive before any content. It may have opened a block.
    pub fn note_keep_alive(&self) {
        self.state().kept_alive += 1;
    }

    /// How many keep-alives the client was sent.
    pub(super) fn kept_alive(&self) -> u32 {
        self.state().kept_alive
    }

    /// Whether the client's stream has been started.
    pub(super) fn is_sent(&self) -> bool {
        self.state().is_sent
    }

    /// Starts the client's stream now: with what the upstream has said so far, else with a start of our own.
    #[must_use]
    pub fn start_early(&self, client: Dialect, reply: &ReplyMap) -> Vec<u8> {
        let mut state = self.state();
        state.is_sent = true;
        let mut start = std::mem::take(&mut state.held);
        if start.is_empty() {
            (client.codec().stream_encoder)(reply).early_start(&mut start);
        }
        start
    }
}

/// What one attempt holds back. It lies in the shared preamble until that has been sent, then here.
#[derive(Default)]
pub(super) struct Held {
    after_start: Vec<u8>,
    /// The usual case: one piece, never copied.
    only: Bytes,
    has_spoken: bool,
    has_swallowed: bool,
    kept_alive: u32,
    /// Of an attempt that runs beside another one: the upstream's own bytes so far.
    apart: Option<Vec<Bytes>>,
}

impl Held {
    /// For an attempt that runs beside another one, which the preamble belongs to.
    pub(super) fn apart() -> Self {
        Self { apart: Some(Vec::new()), ..Self::default() }
    }

    /// The attempt's answer begins.
    pub(super) fn begin(&self, preamble: &Preamble) {
        if self.apart.is_none() {
            preamble.forget_unsent();
        }
    }

    /// The upstream has sent this, which may have to be read again.
    pub(super) fn note(&mut self, chunk: &Bytes) {
        self.apart.iter_mut().for_each(|said| said.push(chunk.clone()));
    }

    /// Of an attempt apart that spoke before the client's stream was started without it: another holder, and what the upstream
    /// has sent so far.
    pub(super) fn outrun(&mut self, preamble: &Preamble) -> Option<(Self, Vec<Bytes>)> {
        let is_outrun = self.apart.is_some() && self.has_spoken && !self.has_swallowed && preamble.is_sent();
        let said = self.apart.as_mut().filter(|_| is_outrun)?;
        Some((Self::apart(), std::mem::take(said)))
    }

    /// Once the client's stream has a start that is not this attempt's, this attempt's own start is not wanted; and what
    /// kept the client waiting since, it must know of, since a block may have been opened for it.
    pub(super) fn catch_up(&mut self, reply: &mut dyn ReplyStream, preamble: &Preamble) {
        if !self.has_spoken && !self.has_swallowed && preamble.is_sent() {
            let _ = reply.early_start();
            self.has_swallowed = true;
        }
        while self.kept_alive < preamble.kept_alive() {
            let _ = reply.keep_alive();
            self.kept_alive += 1;
        }
    }

    pub(super) fn take(&mut self, out: Bytes, preamble: &Preamble) {
        if out.is_empty() {
            return;
        }
        let mut state = preamble.state();
        if state.is_sent || self.apart.is_some() {
            self.after_start.extend_from_slice(&out);
        } else if !self.has_spoken {
            self.only = out.clone();
            state.held.clear();
            state.held.extend_from_slice(&out);
        } else {
            state.held.extend_from_slice(&out);
            self.only = Bytes::new();
        }
        self.has_spoken = true;
    }

    pub(super) fn release(self, preamble: &Preamble) -> Bytes {
        let mut state = preamble.state();
        if state.is_sent || self.apart.is_some() {
            self.after_start.into()
        } else if self.only.is_empty() {
            std::mem::take(&mut state.held).into()
        } else {
            self.only
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_apart_leaves_the_preamble_alone_and_is_read_again_when_the_stream_began_without_it() {
        let preamble = Preamble::default();
        let (mut first, mut second) = (Held::default(), Held::apart());
        first.begin(&preamble);
        first.take(Bytes::from_static(b"first's start"), &preamble);
        second.begin(&preamble);
        second.note(&Bytes::from_static(b"raw"));
        second.take(Bytes::from_static(b"second's start"), &preamble);
        assert!(second.outrun(&preamble).is_none() && first.outrun(&preamble).is_none());
        assert_eq!(preamble.start_early(Dialect::AnthropicMessages, &ReplyMap::default()), b"first's start");
        let (again, said) = second.outrun(&preamble).unwrap();
        assert_eq!((said, again.has_spoken), (vec![Bytes::from_static(b"raw")], false));
        assert!(first.outrun(&preamble).is_none(), "what the client has is the first one's");
        let mut alone = Held::apart();
        alone.take(Bytes::from_static(b"one"), &Preamble::default());
        alone.take(Bytes::from_static(b" two"), &Preamble::default());
        assert_eq!(alone.release(&Preamble::default()), "one two");
    }
}
