//! Commands on stdin.

use std::str::FromStr;

/// What the federation is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Stops one guardian; the others go on.
    Stop(u16),
    /// Starts a guardian that was stopped.
    Start(u16),
}

/// A line that is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("commands are `stop N` and `start N`, with N the number of a guardian from 0")]
pub struct NotACommand;

impl FromStr for Command {
    type Err = NotACommand;

    fn from_str(line: &str) -> Result<Self, NotACommand> {
        let mut words = line.split_whitespace();
        let (verb, number) = (words.next(), words.next().and_then(|word| word.parse().ok()));
        match (verb, number, words.next()) {
            (Some("stop"), Some(id), None) => Ok(Self::Stop(id)),
            (Some("start"), Some(id), None) => Ok(Self::Start(id)),
            _ => Err(NotACommand),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_commands_and_nothing_else() {
        assert_eq!("stop 2".parse(), Ok(Command::Stop(2)));
        assert_eq!(" start  0 \n".parse(), Ok(Command::Start(0)));
        for line in ["", "stop", "stop x", "stop -1", "stop 1 2", "halt 1", "stop 70000"] {
            assert_eq!(line.parse::<Command>(), Err(NotACommand), "{line:?}");
        }
    }
}
