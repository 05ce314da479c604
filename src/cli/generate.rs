//! Completions and the manual page, made from the same definitions as the help.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::{Cli, Document, Shell};
use crate::config::variables::VARIABLES;
use crate::exit::Exit;

/// Prints a document to `out`. A reader that went away changes nothing.
pub fn generate(document: Document, out: &mut impl Write) -> Exit {
    let mut text = Vec::new();
    let made = match document {
        Document::Man => manual(&mut text),
        Document::Completions(shell) => {
            completions(shell, &mut text);
            Ok(())
        }
    };
    let _ = out.write_all(&text);
    match made {
        Ok(()) => Exit::Success,
        Err(_) => Exit::Internal,
    }
}

fn completions(shell: Shell, text: &mut Vec<u8>) {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    clap_complete::generate(shell, &mut Cli::command(), "tailport", text);
}

/// One page for all verbs: a page of its own for each would repeat the flags each time.
fn manual(text: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let page = Man::new(command.clone());
    page.render_title(text)?;
    page.render_name_section(text)?;
    page.render_synopsis_section(text)?;
    page.render_description_section(text)?;
    verbs(&command).to_writer(text)?;
    page.render_options_section(text)?;
    environment().to_writer(text)?;
    exit_codes().to_writer(text)?;
    page.render_version_section(text)
}

fn verbs(command: &Command) -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["COMMANDS"]);
    for verb in command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
    {
        section.control("TP", []);
        let mut usage = vec![bold(verb.get_name())];
        for argument in verb.get_positionals() {
            let name = argument.get_value_names().and_then(|names| names.first());
            let name = name.map_or("", |name| name.as_str());
            usage.extend([roman(" "), italic(name)]);
            if argument
                .get_num_args()
                .is_some_and(|number| number.max_values() > 1)
            {
                usage.push(roman("..."));
            }
        }
        if verb
            .get_arguments()
            .any(|argument| argument.get_id() == "json")
        {
            usage.push(roman(" [--json]"));
        }
        section.text(usage);
        let about = verb.get_about().map(ToString::to_string);
        section.text([roman(about.unwrap_or_default())]);
    }
    section
}

fn environment() -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["ENVIRONMENT"]);
    section.text([roman("A flag wins over its variable.")]);
    for variable in VARIABLES {
        section.control("TP", []);
        section.text([bold(variable.name)]);
        let (help, rule) = (variable.help, variable.rule);
        let default = variable.default.shown();
        section.text([roman(format!(
            "{help}. Default: {default}. Allowed: {rule}."
        ))]);
    }
    section
}

fn exit_codes() -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL {
        section.control("TP", []);
        section.text([bold(exit.code().to_string())]);
        section.text([roman(exit.meaning())]);
    }
    section
}
