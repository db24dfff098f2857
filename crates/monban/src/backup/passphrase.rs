//! The passphrase of a backup: from a file, an environment variable or the terminal, never from the command line.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use ::backup::limits::{MAX_PASSPHRASE_BYTES, MIN_PASSPHRASE_BYTES};
use clap::Args;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use spine::secret::{Secret, Source};

use crate::failure::Failure;

/// The options of a passphrase.
#[derive(Debug, Args)]
pub struct PassphraseOptions {
    /// A file of mode 0600 with the passphrase [default: ask on the terminal]
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_env")]
    passphrase_file: Option<PathBuf>,
    /// An environment variable with the passphrase
    #[arg(long, value_name = "NAME")]
    passphrase_env: Option<String>,
}

impl PassphraseOptions {
    /// Returns the passphrase. Asks twice on the terminal for a new one.
    ///
    /// # Errors
    /// If it cannot be read, or the two differ.
    pub fn read(&self, is_new: bool) -> Result<Secret, Failure> {
        let source = match (&self.passphrase_file, &self.passphrase_env) {
            (Some(path), _) => Source::File(path.clone()),
            (None, Some(name)) => Source::Environment(name.clone()),
            (None, None) => return ask(is_new),
        };
        source
            .read()
            .map_err(|what| Failure::Environment { message: format!("passphrase: {what}"), hint: None })
    }
}

fn ask(is_new: bool) -> Result<Secret, Failure> {
    let mut terminal = Terminal::open()?;
    let first = terminal.ask("Passphrase: ")?;
    if is_new {
        if first.len() < MIN_PASSPHRASE_BYTES {
            let what = format!("the passphrase has fewer than {MIN_PASSPHRASE_BYTES} bytes");
            return Err(Failure::environment(
                what,
                "choose one that nobody can guess, such as six random words",
            ));
        }
        if terminal.ask("Repeat the passphrase: ")? != first {
            let message = "the two passphrases differ".to_owned();
            return Err(Failure::Environment { message, hint: None });
        }
    }
    match String::from_utf8(first) {
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => {
            Err(Failure::Environment { message: "the passphrase is not UTF-8 text".to_owned(), hint: None })
        }
    }
}

/// The terminal without echo, whatever standard input and output are. It gets its modes back when this is dropped.
struct Terminal {
    file: File,
    before: Termios,
}

impl Terminal {
    fn open() -> Result<Self, Failure> {
        let open = || -> io::Result<Self> {
            let file = File::options().read(true).write(true).open("/dev/tty")?;
            let before = tcgetattr(&file)?;
            let mut silent = before.clone();
            // without signals from keys either: a killed process could not restore the echo
            silent.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
            tcsetattr(&file, OptionalActions::Flush, &silent)?;
            Ok(Self { file, before })
        };
        open().map_err(|error| {
            Failure::environment(
                format!("cannot ask for the passphrase: /dev/tty: {error}"),
                "`--passphrase-file FILE` or `--passphrase-env NAME` names one",
            )
        })
    }

    /// Asks a question, and returns the line of the answer.
    fn ask(&mut self, question: &str) -> Result<Vec<u8>, Failure> {
        self.file.write_all(question.as_bytes())?;
        let answer = read_line(&mut self.file);
        self.file.write_all(b"\n")?;
        let abandoned = || Failure::Environment { message: "no passphrase was given".to_owned(), hint: None };
        answer?.ok_or_else(abandoned)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _best_effort = tcsetattr(&self.file, OptionalActions::Now, &self.before);
    }
}

/// Reads a line with the keys of a terminal: backspace, Ctrl-U; none after Ctrl-C or Ctrl-D.
fn read_line(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut line: Vec<u8> = Vec::new();
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        match byte[0] {
            b'\r' | b'\n' => return Ok(Some(line)),
            0x03 | 0x04 => return Ok(None),
            0x08 | 0x7f => {
                // a whole character of UTF-8
                while line.pop().is_some_and(|last| last & 0xc0 == 0x80) {}
            }
            0x15 => line.clear(),
            _ if line.len() > MAX_PASSPHRASE_BYTES => {}
            byte => line.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_edited_as_on_a_terminal() {
        for (keys, expected) in [
            (&b"secret\n"[..], Some("secret")),
            (b"secret\rmore", Some("secret")),
            (b"secrex\x7ft\n", Some("secret")),
            (b"secr\xc3\xa9\x7fet\n", Some("secret")),
            (b"\x7f\x08wrong\x15secret\n", Some("secret")),
            (b"\n", Some("")),
            (b"secret\x03\n", None),
            (b"secret\x04", None),
            (b"secret", None),
        ] {
            let line = read_line(&mut &keys[..]).unwrap();
            assert_eq!(line.as_deref(), expected.map(str::as_bytes), "{keys:?}");
        }
        let endless = [vec![b'x'; MAX_PASSPHRASE_BYTES * 3], vec![b'\n']].concat();
        assert_eq!(read_line(&mut &endless[..]).unwrap().unwrap().len(), MAX_PASSPHRASE_BYTES + 1);
    }
}
