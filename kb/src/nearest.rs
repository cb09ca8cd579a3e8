//! Which known name was meant by one that is not known.

/// The known names that are closest to `name`, the closest first, at most `n`; those that have nothing to do with it are left
/// out. Capitals count as their small letters.
///
/// *Source*: the distance is that of Levenshtein, "Binary codes capable of correcting deletions, insertions, and
/// reversals", 1966.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, n: usize) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let letters = name.chars().count();
    let ranked = known.into_iter().map(|other| (distance(&name, &other.to_lowercase()), other));
    let near = |found: &(usize, &str)| 2 * found.0 <= letters.max(found.1.chars().count());
    let mut ranked: Vec<(usize, &str)> = ranked.filter(near).collect();
    ranked.sort();
    ranked.into_iter().take(n).map(|(_, other)| other).collect()
}

/// How many letters have to be put in, left out or replaced to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, apart) in
            [("kitten", "sitting", 3), ("", "abc", 3), ("flaw", "lawn", 2), ("same", "same", 0)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (apart, apart));
        }
    }

    #[test]
    fn the_closest_come_first_and_strangers_not_at_all() {
        let known = ["photo", "physics", "photos", "cora"];
        assert_eq!(nearest("Phto", known, 2), ["photo", "photos"]);
        assert!(nearest("watts", known, 3).is_empty());
    }
}
