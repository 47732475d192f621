//! The provider's Messages API: one question, and the answer as it comes.

mod progress;
mod question;

pub use self::progress::{Answer, End, Failure, Progress, Usage};
pub use self::question::{Question, Role, Thinking, Turn};
