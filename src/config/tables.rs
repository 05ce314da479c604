//! The list of variables as text: the README's table and the end of `--help`.

use super::variable::{Group, Variable};
use super::variables::VARIABLES;

/// The README's table of variables, one row a line. The README holds exactly this; a test compares.
pub fn markdown_table() -> String {
    let mut table =
        String::from("| Variable | Flag | Default | Meaning | Allowed |\n|---|---|---|---|---|\n");
    for variable in VARIABLES {
        let flag = variable
            .flag
            .map_or(String::from("none"), |flag| format!("`--{flag}`"));
        let row = [
            &format!("`{}`", variable.name),
            &flag,
            variable.default.shown(),
            variable.help,
            variable.rule,
        ];
        table.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    table
}

/// The variables under their headings, for the end of `--help`.
pub fn help_text() -> String {
    let mut text = String::from("Environment variables (a flag wins over its variable):\n");
    for group in Group::ALL {
        text.push_str(&format!("\n  {}:\n", group.title()));
        for variable in VARIABLES.iter().filter(|variable| variable.group == group) {
            text.push_str(&entry(variable));
        }
    }
    text
}

fn entry(variable: &Variable) -> String {
    let flag = variable
        .flag
        .map_or(String::new(), |flag| format!(" (--{flag})"));
    format!(
        "    {}{flag}\n        {}\n        default: {}\n        allowed: {}\n",
        variable.name,
        variable.help,
        variable.default.shown(),
        variable.rule
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_in_the_table_and_in_the_help() {
        let (table, help) = (markdown_table(), help_text());
        for variable in VARIABLES {
            assert_eq!(
                table.matches(&format!("| `{}` |", variable.name)).count(),
                1,
                "{}",
                variable.name
            );
            assert!(
                help.contains(&format!("    {}", variable.name)),
                "{}",
                variable.name
            );
        }
        assert_eq!(table.lines().count(), VARIABLES.len() + 2);
    }

    #[test]
    fn no_text_breaks_the_table() {
        for line in markdown_table().lines() {
            assert_eq!(line.matches('|').count(), 6, "{line}");
        }
    }
}
