//! What a body asks for besides its conversation: tools, thinking, a schema, output, who is asking.
//!
//! The members of all dialects are known here side by side; none of them means two things. Start with [`Scanner::option`].

use super::{PeekError, Scanner, Speaker};

impl Scanner<'_> {
    /// A member of the outermost object that is neither the model, the stream nor the conversation.
    pub(super) fn option(&mut self, key: &[u8]) -> Result<(), PeekError> {
        match key {
            b"tools" if self.next_byte() == Some(b'[') => {
                self.array(|scanner| scanner.tool().map(|()| false))?;
            }
            b"web_search_options" => {
                self.seen.web_search = self.next_byte() == Some(b'{');
                self.value()?;
            }
            b"max_tokens" | b"max_completion_tokens" | b"max_output_tokens" => {
                let from = self.at;
                self.value()?;
                let digits = self.body.get(from..self.at).and_then(|digits| std::str::from_utf8(digits).ok());
                self.seen.output_tokens = digits.and_then(|digits| digits.parse().ok()).or(self.seen.output_tokens);
            }
            b"thinking" => self.seen.thinking = self.word_of(b"type", b"disabled")?,
            b"reasoning" => self.seen.thinking = self.word_of(b"effort", b"none")?,
            b"reasoning_effort" => self.seen.thinking = self.string_or_value()?.is_some_and(|effort| *effort.decoded() != *b"none"),
            b"response_format" => self.seen.structured |= self.word_of(b"type", b"text")?,
            b"output_format" => {
                self.seen.structured |= self.next_byte() == Some(b'{');
                self.value()?;
            }
            b"output_config" => self.seen.structured |= self.has_format()?,
            b"metadata" if self.next_byte() == Some(b'{') => self.metadata()?,
            b"prompt_cache_key" => {
                let from = self.at;
                self.seen.cache_key_at = self.string_or_value()?.map(|_| from..self.at);
            }
            _ => self.value()?,
        }
        Ok(())
    }

    /// Notes that a message is over, with the counts of images, documents and tools' results before it.
    ///
    /// The user has spoken anew where a message of theirs follows an answer and brings no result of a tool: what came before
    /// has been answered. In a loop of tool calls the question stands, and its images with it.
    pub(super) fn spoke(&mut self, speaker: Speaker, (images, documents, results): (usize, usize, usize)) {
        match speaker {
            Speaker::Assistant => {
                self.seen.turns += 1;
                self.turn.is_open = false;
            }
            Speaker::User => {
                if !self.turn.is_open && self.turn.tool_results == results {
                    self.turn.before = (images, documents);
                }
                self.turn.is_open = true;
            }
            Speaker::Other => self.turn.is_open = true,
            Speaker::System => {}
        }
    }

    /// An element of `tools`.
    fn tool(&mut self) -> Result<(), PeekError> {
        self.seen.tools += 1;
        if self.next_byte() != Some(b'{') {
            return self.value();
        }
        self.object(|scanner, key| match key {
            b"type" => {
                let is_search = scanner.string_or_value()?.is_some_and(|kind| kind.decoded().starts_with(b"web_search"));
                scanner.seen.web_search |= is_search;
                Ok(())
            }
            b"function" if scanner.next_byte() == Some(b'{') => scanner.object(Self::function),
            _ => scanner.value(),
        })
    }

    /// A member of a tool's `function`.
    fn function(&mut self, key: &[u8]) -> Result<(), PeekError> {
        if key != b"name" {
            return self.value();
        }
        let from = self.at;
        if self.string_or_value()?.is_some() {
            self.seen.names_at.push(from..self.at);
        }
        Ok(())
    }

    /// Whether an object has the member, and it is another word. Anything but an object has not.
    fn word_of(&mut self, member: &[u8], but: &[u8]) -> Result<bool, PeekError> {
        let mut is_other = false;
        if self.next_byte() != Some(b'{') {
            return self.value().map(|()| false);
        }
        self.object(|scanner, key| {
            if key == member {
                is_other = scanner.string_or_value()?.is_some_and(|word| *word.decoded() != *but);
                Ok(())
            } else {
                scanner.value()
            }
        })?;
        Ok(is_other)
    }

    fn has_format(&mut self) -> Result<bool, PeekError> {
        let mut has = false;
        if self.next_byte() != Some(b'{') {
            return self.value().map(|()| false);
        }
        self.object(|scanner, key| {
            has |= key == b"format" && scanner.next_byte() == Some(b'{');
            scanner.value()
        })?;
        Ok(has)
    }

    fn metadata(&mut self) -> Result<(), PeekError> {
        self.object(|scanner, key| {
            let from = scanner.at;
            let token = scanner.string_or_value()?;
            if key == b"user_id" {
                scanner.seen.user_id_at = token.map(|_| from..scanner.at);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Peek, peek};

    fn look(rest: &str) -> Peek {
        let body = format!(r#"{{"model":"m",{rest}}}"#);
        peek(body.as_bytes(), 64).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    #[test]
    fn the_names_of_functions_are_found() {
        let body = r#"{"model":"m","tools":[{"type":"function","function":{"parameters":{"name":"x"},"name" : "a\"b"}},{"name":"flat"},{"function":{"name":5}},{"function":{"name":"c"}}]}"#;
        let names: Vec<&str> = peek(body.as_bytes(), 64).unwrap().names_at.into_iter().map(|at| &body[at]).collect();
        assert_eq!(names, [r#""a\"b""#, r#""c""#]);
    }

    #[test]
    fn tools_are_counted_and_a_search_of_the_web_is_known() {
        for (rest, tools, search) in [
            (r#""tools":[]"#, 0, false),
            (r#""tools":null"#, 0, false),
            (
                r#""tools":[{"name":"a","input_schema":{"type":"object","properties":{"type":{"type":"web_search"}}}},{"name":"b"}]"#,
                2,
                false,
            ),
            (r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#, 1, true),
            (r#""tools":[{"type":"function","function":{"name":"a"}},{"type":"web_search"},3]"#, 3, true),
            (r#""web_search_options":{}"#, 0, true),
            (r#""web_search_options":null"#, 0, false),
            (r#""messages":[{"role":"assistant","content":[{"type":"web_search_tool_result"}]}]"#, 0, false),
        ] {
            let found = look(rest);
            assert_eq!((found.tools, found.web_search), (tools, search), "{rest}");
        }
    }

    #[test]
    fn thinking_and_schemas_are_seen_in_each_dialects_words() {
        for (rest, thinking, structured) in [
            (r#""thinking":{"type":"adaptive"}"#, true, false),
            (r#""thinking":{"budget_tokens":31999,"type":"enabled"}"#, true, false),
            (r#""thinking":{"type":"disabled"}"#, false, false),
            (r#""thinking":null"#, false, false),
            (r#""reasoning_effort":"high""#, true, false),
            (r#""reasoning_effort":"none""#, false, false),
            (r#""reasoning":{"effort":"low","summary":"auto"}"#, true, false),
            (r#""reasoning":{"summary":"auto"}"#, false, false),
            (r#""output_config":{"effort":"high"}"#, false, false),
            (r#""output_config":{"format":{"type":"json_schema","schema":{}}}"#, false, true),
            (r#""output_config":{"format":null}"#, false, false),
            (r#""output_format":{"type":"json_schema"}"#, false, true),
            (r#""response_format":{"type":"json_object"}"#, false, true),
            (r#""response_format":{"type":"text"}"#, false, false),
        ] {
            let found = look(rest);
            assert_eq!((found.thinking, found.structured), (thinking, structured), "{rest}");
        }
    }

    #[test]
    fn the_output_asked_for_is_a_whole_number_or_nothing() {
        for (rest, output) in [
            (r#""max_tokens":64000"#, Some(64_000)),
            (r#""max_completion_tokens": 7 ,"max_tokens":null"#, Some(7)),
            (r#""max_tokens":-1"#, None),
            (r#""max_tokens":1e9"#, None),
            (r#""max_tokens":"9""#, None),
            (r#""max_tokens":99999999999999999999999"#, None),
        ] {
            assert_eq!(look(rest).output_tokens, output, "{rest}");
        }
    }

    const IMAGE: &str = r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}"#;
    const PDF: &str = r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"aGk="}}"#;

    fn turns(turns: &[(&str, &str)]) -> Peek {
        let turns: Vec<String> = turns.iter().map(|(role, content)| format!(r#"{{"role":"{role}","content":[{content}]}}"#)).collect();
        look(&format!(r#""messages":[{}],"max_tokens":9"#, turns.join(",")))
    }

    #[test]
    fn images_are_of_now_from_where_the_user_last_spoke() {
        const TEXT: &str = r#"{"type":"text","text":"hi"}"#;
        const CALL: &str = r#"{"type":"tool_use","id":"t","name":"Read","input":{"type":"image"}}"#;
        let result = format!(r#"{{"type":"tool_result","tool_use_id":"t","content":[{IMAGE}]}}"#);
        let both = format!("{TEXT},{IMAGE}");
        for (messages, images, now) in [
            (&[("user", both.as_str())][..], 1, 1),
            // Claude Code's instructions come after the user's message.
            (&[("user", &both), ("system", TEXT)], 1, 1),
            (&[("user", &both), ("assistant", TEXT), ("user", TEXT)], 1, 0),
            (&[("user", &both), ("assistant", TEXT), ("user", TEXT), ("system", TEXT)], 1, 0),
            (&[("user", &both), ("assistant", TEXT), ("system", TEXT), ("user", TEXT)], 1, 0),
            // A loop of tool calls is one question.
            (&[("user", &both), ("assistant", CALL), ("user", &result)], 2, 2),
            (&[("user", &both), ("assistant", CALL), ("user", &result), ("assistant", TEXT), ("user", TEXT)], 2, 0),
            (&[("user", TEXT), ("assistant", CALL), ("tool", IMAGE), ("assistant", CALL), ("tool", TEXT)], 1, 1),
            // Two messages without an answer between them are one.
            (&[("user", &both), ("user", TEXT)], 1, 1),
            (&[("user", IMAGE), ("assistant", CALL), ("user", &result), ("user", TEXT)], 2, 2),
            (&[("assistant", IMAGE), ("user", TEXT)], 1, 0),
        ] {
            let found = turns(messages);
            assert_eq!((found.images, found.images_now), (images, now), "{messages:?}");
        }
        assert_eq!(turns(&[("user", TEXT), ("assistant", TEXT), ("user", TEXT), ("assistant", CALL)]).turns, 2);
    }

    #[test]
    fn documents_are_those_that_are_not_plain_text() {
        const PLAIN: &str = r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"},"title":"t"}"#;
        const UPLOADED: &str = r#"{"type":"document","source":{"type":"file","file_id":"f"}}"#;
        const CHAT: &str = r#"{"type":"file","file":{"file_data":"data:application/pdf;base64,aGk="}}"#;
        for (content, documents) in
            [(PDF, 1), (PLAIN, 0), (UPLOADED, 1), (CHAT, 1), (r#"{"type":"input_file"}"#, 1), (r#"{"type":"file"}"#, 0)]
        {
            let found = turns(&[("user", content)]);
            assert_eq!((found.documents, found.documents_now), (documents, documents), "{content}");
        }
        let found = turns(&[("user", &format!("{PLAIN},{PDF}")), ("assistant", ""), ("user", PLAIN)]);
        assert_eq!((found.documents, found.documents_now), (1, 0));
    }
}
