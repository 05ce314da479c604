//! The name that was probably meant by one that is not known.

/// The known name that is at most two letters away, and fewer when the name is short.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = 2.min(name.chars().count() / 2);
    let nearest = known.map(|known| (distance(name, known), known)).min();
    nearest.and_then(|(distance, known)| (distance <= far).then_some(known))
}

/// How many letters must be added, removed or changed to come from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    // A name this much longer is not a slip; the bound keeps a huge name cheap.
    if from.len() > to.len() + 2 {
        return usize::MAX;
    }
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_letters() {
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "abd"), 1);
        assert_eq!(distance("ab", "abc"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_slip_of_the_pen_is_near_and_another_word_is_not() {
        let known = || ["listen", "name", "mode"].into_iter();
        assert_eq!(nearest("lisen", known()), Some("listen"));
        assert_eq!(nearest("nme", known()), Some("name"));
        for other in ["", "x", "no", "address", &"listen".repeat(1000)] {
            assert_eq!(nearest(other, known()), None, "{other}");
        }
    }
}
