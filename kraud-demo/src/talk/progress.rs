//! Where work is that takes longer than a second.

use std::io::{Write, stderr};
use std::time::{Duration, Instant};

use serde::Serialize;

/// Work that ends sooner is not talked about.
const SILENCE: Duration = Duration::from_secs(1);
/// How often a line is written again on a terminal.
const ON_A_TERMINAL: Duration = Duration::from_millis(100);
/// How often there is a new line elsewhere.
const ELSEWHERE: Duration = Duration::from_secs(2);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Not at all.
    Silent,
    /// A line that is written again and again.
    Terminal,
    /// A line now and then.
    Lines,
    /// A JSON object a line, now and then.
    Events,
}

/// One piece of work; what was written on a terminal goes away with this value.
#[derive(Debug)]
pub struct Progress {
    form: Form,
    what: &'static str,
    total: usize,
    begin: Instant,
    shown: Option<Instant>,
}

/// A line of [`Form::Events`].
#[derive(Debug, Serialize)]
struct Event {
    schema: &'static str,
    event: &'static str,
    what: &'static str,
    done: usize,
    total: usize,
}

impl Progress {
    /// Begins work of `total` parts.
    #[must_use]
    pub fn new(form: Form, what: &'static str, total: usize) -> Self {
        Self {
            form,
            what,
            total,
            begin: Instant::now(),
            shown: None,
        }
    }

    /// Says that `done` parts are done, if it is time to.
    pub fn at(&mut self, done: usize) {
        if let Some(text) = self.text(done, Instant::now()) {
            // Nobody may be listening any more.
            let _ = stderr().write_all(text.as_bytes());
        }
    }

    /// What to write at the time `now`.
    fn text(&mut self, done: usize, now: Instant) -> Option<String> {
        let pause = match self.form {
            Form::Silent => return None,
            Form::Terminal => ON_A_TERMINAL,
            Form::Lines | Form::Events => ELSEWHERE,
        };
        let since = |time: Instant| now.saturating_duration_since(time);
        if since(self.begin) < SILENCE || self.shown.is_some_and(|shown| since(shown) < pause) {
            return None;
        }
        self.shown = Some(now);
        let Self { what, total, .. } = *self;
        Some(match self.form {
            Form::Terminal => format!("\r{what}: {done} of {total}\x1b[K"),
            Form::Events => {
                let event = Event {
                    schema: crate::SCHEMA,
                    event: "progress",
                    what,
                    done,
                    total,
                };
                // Numbers and our own words: it cannot fail to be data.
                serde_json::to_string(&event).unwrap_or_default() + "\n"
            }
            _ => format!("{what}: {done} of {total}\n"),
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.form == Form::Terminal && self.shown.is_some() {
            let _ = stderr().write_all(b"\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written for ten parts, one every 300 ms.
    fn written(form: Form) -> Vec<String> {
        let mut progress = Progress::new(form, "changes", 10);
        let begin = progress.begin;
        let parts = (0..=10).filter_map(|done| {
            progress.text(done, begin + Duration::from_millis(300) * done as u32)
        });
        let written = parts.collect();
        progress.form = Form::Silent;
        written
    }

    #[test]
    fn nothing_is_said_in_the_first_second() {
        assert_eq!(written(Form::Silent).len(), 0);
        assert_eq!(
            written(Form::Terminal).first().unwrap(),
            "\rchanges: 4 of 10\u{1b}[K"
        );
    }

    #[test]
    fn a_terminal_is_kept_up_to_date_and_a_file_is_not_filled() {
        assert_eq!(written(Form::Terminal).len(), 7);
        assert_eq!(written(Form::Lines), ["changes: 4 of 10\n"]);
        let event: serde_json::Value = serde_json::from_str(&written(Form::Events)[0]).unwrap();
        assert_eq!(
            event,
            serde_json::json!({"schema": "kraud/v1", "event": "progress", "what": "changes", "done": 4, "total": 10})
        );
    }
}
