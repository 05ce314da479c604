//! As much of PromQL as it takes to find the metrics and labels in an expression. `promtool`
//! judges the rest.

/// What an expression asks for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expression {
    /// Its metrics.
    pub(crate) selectors: Vec<Selector>,
    /// The labels that it groups or joins by.
    pub(crate) labels: Vec<String>,
}

/// A metric with its conditions.
#[derive(Debug, PartialEq)]
pub(crate) struct Selector {
    pub(crate) name: String,
    /// Label, operator, value.
    pub(crate) matchers: Vec<(String, String, String)>,
}

/// Words before a list of labels.
const LABELS_FOLLOW: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// Words that stand between operands.
const BETWEEN: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

impl Expression {
    /// Reads an expression.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let mut tokens = tokens(text).into_iter().peekable();
        let mut expression = Self::default();
        while let Some(token) = tokens.next() {
            let Token::Word(word) = token else { continue };
            let labels_follow = LABELS_FOLLOW.contains(&word.as_str());
            match tokens.peek() {
                Some(Token::Sign(sign)) if sign == "(" => {
                    if labels_follow {
                        let list = tokens.by_ref().take_while(|token| !is(token, ")"));
                        expression.labels.extend(list.filter_map(word_of));
                    }
                }
                // An aggregation whose labels come first.
                Some(Token::Word(next)) if LABELS_FOLLOW.contains(&next.as_str()) => {}
                _ if labels_follow || BETWEEN.contains(&word.as_str()) => {}
                next => {
                    let has_matchers = next.is_some_and(|token| is(token, "{"));
                    let mut matchers = Vec::new();
                    if has_matchers {
                        let list = tokens.by_ref().take_while(|token| !is(token, "}"));
                        let list = list.filter(|token| !is(token, "{") && !is(token, ","));
                        let list: Vec<_> = list.collect();
                        matchers.extend(list.chunks(3).map(|three| matcher(text, three)));
                    }
                    let name = word;
                    expression.selectors.push(Selector { name, matchers });
                }
            }
        }
        assert!(!expression.selectors.is_empty(), "no metric in {text}");
        expression
    }
}

#[track_caller]
fn matcher(text: &str, tokens: &[Token]) -> (String, String, String) {
    match tokens {
        [
            Token::Word(label),
            Token::Sign(operator),
            Token::Text(value),
        ] => (label.clone(), operator.clone(), value.clone()),
        other => panic!("{text}: no condition: {other:?}"),
    }
}

fn is(token: &Token, sign: &str) -> bool {
    matches!(token, Token::Sign(found) if found == sign)
}

fn word_of(token: Token) -> Option<String> {
    match token {
        Token::Word(word) => Some(word),
        _ => None,
    }
}

/// Ranges (`[5m]`) and numbers are left out.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let in_word = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
        let length = match first {
            '"' => {
                let length = rest[1..].find('"').expect("a closing quote");
                tokens.push(Token::Text(rest[1..=length].to_owned()));
                length + 2
            }
            '[' => rest.find(']').expect("a closing bracket") + 1,
            c if in_word(c) => {
                let length = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
                if !c.is_ascii_digit() {
                    tokens.push(Token::Word(rest[..length].to_owned()));
                }
                length
            }
            '=' | '!' | '<' | '>' => {
                let length = 1 + usize::from(rest[1..].starts_with(['=', '~']));
                tokens.push(Token::Sign(rest[..length].to_owned()));
                length
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(Token::Sign(c.to_string()));
                }
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

#[test]
fn metrics_and_labels_are_found_in_every_form() {
    let text = r#"sum without (how) (rate(a_total{how=~"x|y", job!="j"}[5m])) > bool 0.9 * b
                  unless on (job, instance) histogram_quantile(0.5, sum by (le) (c_bucket)) == 1e3"#;
    let expression = Expression::parse(text);
    let names: Vec<_> = expression
        .selectors
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(names, ["a_total", "b", "c_bucket"]);
    let matchers = &expression.selectors[0].matchers;
    let expected = [("how", "=~", "x|y"), ("job", "!=", "j")];
    assert_eq!(
        *matchers,
        expected.map(|(label, sign, value)| (label.into(), sign.into(), value.into()))
    );
    assert_eq!(expression.labels, ["how", "job", "instance", "le"]);
}
