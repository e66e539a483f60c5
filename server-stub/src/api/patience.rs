//! A socket that does not wait for ever for a client that does not read.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How slowly a client may read.
#[derive(Clone, Copy, Debug)]
pub struct SlowestReader {
    /// So many bytes.
    pub bytes: u64,
    /// In so much time, whenever something waits to be sent.
    pub time: Duration,
}

/// A stream on which writing fails once the other side reads more slowly than allowed.
pub struct Patient<S> {
    stream: S,
    slowest: SlowestReader,
    /// Set while the other side does not take what there is.
    waiting: Option<Waiting>,
}

struct Waiting {
    until: Pin<Box<Sleep>>,
    taken: u64,
}

impl<S> Patient<S> {
    pub fn new(stream: S, slowest: SlowestReader) -> Self {
        Self { stream, slowest, waiting: None }
    }

    /// What becomes of a write: the other side is slow if it keeps us waiting for all of the time and takes less
    /// than it has to meanwhile.
    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let slowest = self.slowest;
        match written {
            Poll::Ready(Ok(count)) => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.taken = waiting.taken.saturating_add(count as u64);
                }
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let start = || Waiting { until: Box::pin(sleep(slowest.time)), taken: 0 };
                loop {
                    let waiting = self.waiting.get_or_insert_with(start);
                    ready!(waiting.until.as_mut().poll(cx));
                    if waiting.taken < slowest.bytes {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                    *waiting = start();
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Comes when everything is written: nothing waits any more.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waiting = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const SLOWEST: SlowestReader = SlowestReader { bytes: 100, time: Duration::from_secs(10) };

    /// Writes 1,000 bytes to a client that takes `step` bytes every 5 seconds.
    async fn write_to_reader_of(step: usize) -> io::Result<()> {
        let (ours, mut theirs) = duplex(16);
        let reader = tokio::spawn(async move {
            let mut bytes = vec![0; step];
            while theirs.read_exact(&mut bytes).await.is_ok() {
                sleep(Duration::from_secs(5)).await;
            }
        });
        let mut patient = Patient::new(ours, SLOWEST);
        let result = match patient.write_all(&[0; 1_000]).await {
            Ok(()) => patient.flush().await,
            Err(error) => Err(error),
        };
        reader.abort();
        result
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_too_slowly_is_given_up() {
        write_to_reader_of(100).await.unwrap();
        assert_eq!(write_to_reader_of(20).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(write_to_reader_of(0).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn time_between_answers_does_not_count() {
        let (ours, mut theirs) = duplex(16);
        let mut patient = Patient::new(ours, SLOWEST);
        for _ in 0..3 {
            let read = async {
                let mut bytes = [0; 32];
                sleep(Duration::from_secs(6)).await;
                theirs.read_exact(&mut bytes).await.unwrap();
            };
            let write = async {
                patient.write_all(&[0; 32]).await.unwrap();
                patient.flush().await.unwrap();
            };
            tokio::join!(read, write);
            sleep(Duration::from_secs(60)).await;
        }
    }
}
