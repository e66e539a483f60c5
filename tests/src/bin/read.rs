//! `read HOST:PORT SESSIONS CONNECTIONS SECONDS`: asks for complete sessions by their numbers over HTTP/1.1, over and
//! over on so many connections, and prints how many answers came each second. It does as little as it can, so that
//! the server is what is measured.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("expected HOST:PORT SESSIONS CONNECTIONS SECONDS");
    let address = next()?;
    let (sessions, connections, seconds): (u64, u64, u64) =
        (next()?.parse()?, next()?.parse()?, next()?.parse()?);
    let (start, time) = (Instant::now(), Duration::from_secs(seconds));
    let mut readers = JoinSet::new();
    for first in 0..connections {
        readers.spawn(read(address.clone(), first, sessions, start + time));
    }
    let mut answers = 0;
    while let Some(read) = readers.join_next().await {
        answers += read??;
    }
    println!("{}", f64::from(answers) / start.elapsed().as_secs_f64());
    Ok(())
}

/// Reads session after session until `end`.
async fn read(address: String, first: u64, sessions: u64, end: Instant) -> Result<u32, Error> {
    let mut stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 16];
    let mut answers = 0;
    let mut session = first % sessions;
    while Instant::now() < end {
        let request = format!("GET /v1/sessions/{session} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut filled = 0;
        // All of the head; a body that does not fit is read over it.
        let (head, length) = loop {
            filled += stream.read(&mut buffer[filled..]).await?;
            let Some(head) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let text = str::from_utf8(&buffer[..head])?;
            if !text.starts_with("HTTP/1.1 200") {
                return Err(text.lines().next().unwrap_or_default().into());
            }
            break (head + 4, content_length(text).ok_or("an answer has no length")?);
        };
        let mut left = length.saturating_sub(filled - head);
        while left > 0 {
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                return Err("an answer was cut off".into());
            }
            left = left.saturating_sub(count);
        }
        answers += 1;
        session = (session + 1) % sessions;
    }
    Ok(answers)
}

fn content_length(head: &str) -> Option<usize> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}
