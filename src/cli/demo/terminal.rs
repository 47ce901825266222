//! Keys as they are pressed.

use std::io::{Read, stdin};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

/// A terminal that gives keys at once and does not show them; the way it was when this is dropped.
pub(super) struct Keys {
    before: Termios,
    keys: mpsc::UnboundedReceiver<u8>,
}

impl Keys {
    /// Takes the keyboard. An error means that standard input is no terminal.
    pub(super) fn take() -> std::io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        // Ctrl-C goes on being a signal.
        raw.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        tcsetattr(stdin(), SetArg::TCSANOW, &raw)?;
        let (sender, keys) = mpsc::unbounded_channel();
        let reading = std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            // A read cannot be broken off: the thread ends with the process.
            for key in stdin().lock().bytes() {
                if !key.is_ok_and(|key| sender.send(key).is_ok()) {
                    return;
                }
            }
        });
        let taken = Self { before, keys };
        reading.map(|_| taken)
    }

    /// The next key; none when there will be no more.
    pub(super) async fn next(&mut self) -> Option<u8> {
        self.keys.recv().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _restored = tcsetattr(stdin(), SetArg::TCSANOW, &self.before);
    }
}
