//! What a client can take: little, and not for long.

use std::time::Instant;

use tailport::admin::CLIENTS;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::support::{PATIENCE, Program};

#[tokio::test]
async fn clients_that_say_nothing_lose_their_places() {
    let program = Program::start().await;
    let mut held = Vec::new();
    for _ in 0..CLIENTS {
        let mut stream = program.connect().await;
        stream.write_all(b"GET /live").await.unwrap();
        held.push(stream);
    }
    // All places are taken: one more is closed at once, the other door still answers.
    let mut late = program.connect().await;
    let closed = timeout(PATIENCE, late.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    assert_eq!(program.ask("GET", "/livez", "").await.status, 200);
    // They are given back without a word from those who hold them.
    for mut stream in held {
        let mut said = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut said))
            .await
            .unwrap();
    }
    let start = Instant::now();
    loop {
        let mut stream = program.connect().await;
        let request = format!("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", program.address);
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = String::new();
        let _ = timeout(PATIENCE, stream.read_to_string(&mut answer))
            .await
            .unwrap();
        if answer.starts_with("HTTP/1.1 200") {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "no place came back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let program = Program::start().await;
    let line = format!("X: {}\r\n", "x".repeat(64 * 1024));
    let many = "A: b\r\n".repeat(200);
    for lines in [line, many] {
        let mut stream = program.connect().await;
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n{lines}\r\n", program.address);
        // The rest of it may meet a connection that is closed already.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
    }
    assert_eq!(program.ask_public("GET", "/livez").await.status, 200);
}
