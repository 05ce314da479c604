//! Questions to the program that runs, through its control socket, and how their answers end
//! this one.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use tokio::runtime::Builder;

use super::Question;
use super::paint::Paint;
use super::show;
use crate::admin::{Client, Unanswered};
use crate::config::{self, Problems};
use crate::exit::Exit;

/// Asks, and prints the answer to stdout, or to stderr why there is none. A reader that went
/// away changes nothing about the exit code.
pub fn ask(question: &Question, state_dir: Result<PathBuf, Problems>) -> Exit {
    let state_dir = match state_dir {
        Ok(state_dir) => state_dir,
        Err(problems) => return refuse(&problems.to_string(), Exit::Usage),
    };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("starting the async runtime: {error}"), Exit::Other),
    };
    let answer = runtime.block_on(answer(question, &Client::new(state_dir)));
    match answer {
        Ok(Answer { text, exit, remark }) => {
            let _ = io::stdout().lock().write_all(text.as_bytes());
            match remark {
                Some(remark) => refuse(&remark, exit),
                None => exit,
            }
        }
        Err(unanswered) => refuse(&unanswered.to_string(), exit_of(&unanswered)),
    }
}

/// An answer, ready to print.
struct Answer {
    text: String,
    exit: Exit,
    /// For stderr: why the exit code is not 0.
    remark: Option<String>,
}

impl Answer {
    fn good(text: String) -> Self {
        Self {
            text,
            exit: Exit::Success,
            remark: None,
        }
    }
}

async fn answer(question: &Question, client: &Client) -> Result<Answer, Unanswered> {
    let paint = Paint::for_stdout();
    Ok(match question {
        Question::Status { json } => {
            let report = client.status().await?;
            let text = match json {
                true => pretty(&report),
                false => show::status(&report, paint),
            };
            let reasons: Vec<_> = report
                .reasons
                .iter()
                .map(|why| show::line(&why.text))
                .collect();
            match report.ready {
                true => Answer::good(text),
                false => Answer {
                    text,
                    exit: Exit::Unreachable,
                    remark: Some(format!("not ready: {}", reasons.join("; "))),
                },
            }
        }
        Question::Peers { json } => {
            let peers = client.peers().await?;
            Answer::good(match json {
                true => pretty(&peers),
                false => show::peers(&peers, paint),
            })
        }
        Question::Ping { host } => Answer::good(show::pong(&client.ping(host).await?)),
        Question::Reload => {
            let changes = client.reload().await?;
            Answer::good(match changes.is_empty() {
                true => "nothing has changed\n".to_owned(),
                false => changes
                    .iter()
                    .map(|change| show::line(change) + "\n")
                    .collect(),
            })
        }
        Question::Logout => {
            client.logout().await?;
            Answer::good("the node has left the tailnet\n".to_owned())
        }
    })
}

fn pretty(value: &impl Serialize) -> String {
    // Nothing that is answered has a key that is no text, or any other cause to fail.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// What is refused may hold what was asked for, and that a key in the wrong place.
fn refuse(why: &str, exit: Exit) -> Exit {
    let _ = writeln!(io::stderr(), "{}", config::redact(why));
    exit
}

fn exit_of(unanswered: &Unanswered) -> Exit {
    match unanswered {
        Unanswered::NothingRuns(_) | Unanswered::Silent => Exit::Unreachable,
        Unanswered::NotYours(_) | Unanswered::Refused(_) | Unanswered::Broken(_) => Exit::Other,
    }
}
