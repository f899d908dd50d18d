//! The wish to stop: Ctrl-C or SIGTERM, seen by every part of the program.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What a shell reports for a program that Ctrl-C ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Tells when to stop. Clones see the same wish.
#[derive(Debug, Clone)]
pub struct Shutdown {
    wish: watch::Receiver<bool>,
}

impl Shutdown {
    /// Listens for Ctrl-C and SIGTERM from now on. The first asks every part to finish its work and
    /// stop; a second one ends the process at once, for nothing here needs a clean end to stay
    /// correct.
    pub fn on_signals() -> io::Result<Self> {
        let signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (sender, wish) = watch::channel(false);
        tokio::spawn(listen(signals, sender));
        Ok(Self { wish })
    }

    /// Listens to a switch of the caller's: to stop a part without stopping the process, as tests
    /// do.
    pub fn on_switch() -> (watch::Sender<bool>, Self) {
        let (sender, wish) = watch::channel(false);
        (sender, Self { wish })
    }

    /// Ends when it is time to stop; also when nobody is left who could ask for it.
    pub async fn requested(&self) {
        let mut wish = self.wish.clone();
        let _ = wish.wait_for(|stop| *stop).await;
    }

    /// The wish itself, for parts that wait for other things, too.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.wish.clone()
    }

    /// Whether it is time to stop, for loops that never wait.
    pub fn is_requested(&self) -> bool {
        *self.wish.borrow()
    }
}

async fn listen((mut interrupt, mut terminate): (Signal, Signal), sender: watch::Sender<bool>) {
    either(&mut interrupt, &mut terminate).await;
    tracing::info!("stopping; a second signal stops at once");
    sender.send_replace(true);
    either(&mut interrupt, &mut terminate).await;
    std::process::exit(EXIT_INTERRUPTED);
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_sees_the_wish() {
        let (switch, shutdown) = Shutdown::on_switch();
        let clone = shutdown.clone();
        assert!(!clone.is_requested());
        switch.send_replace(true);
        clone.requested().await;
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
