//! As much of a DNS message as forwarding needs (RFC 1035 §4.1): its header, and the name of its one question.

/// Length of the header, in bytes.
pub(super) const HEADER: usize = 12;
/// The longest name, in bytes as it is sent.
const MAX_NAME: usize = 255;

/// A query with one question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    /// The name as it is sent: labels, each after its length.
    name: &'a [u8],
    /// Where the question ends.
    end: usize,
}

impl<'a> Query<'a> {
    /// `None` for what is no standard query with one question.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        const RESPONSE: u8 = 0x80;
        const OPCODE: u8 = 0x78;
        let header = message.first_chunk::<HEADER>()?;
        if header[2] & (RESPONSE | OPCODE) != 0 || header[4..6] != [0, 1] {
            return None;
        }
        let rest = &message[HEADER..];
        let mut at = 0;
        loop {
            match *rest.get(at)? {
                0 => break,
                // A name in a question points nowhere.
                len @ 1..=63 => at += 1 + usize::from(len),
                64.. => return None,
            }
            if at >= MAX_NAME {
                return None;
            }
        }
        let end = HEADER + at + 1 + 4;
        (end <= message.len()).then_some(Self { name: &rest[..at], end })
    }

    /// Where its question ends in the message, in bytes.
    pub(super) fn question_end(&self) -> usize {
        self.end
    }

    /// Whether the name is `domain`, or one below it. Case does not matter.
    pub(super) fn is_within(&self, domain: &str) -> bool {
        let mut rest = self.name;
        loop {
            if labels(rest).eq_by_case(domain) {
                return true;
            }
            match rest {
                [len, tail @ ..] => rest = tail.get(usize::from(*len)..).unwrap_or(&[]),
                [] => return false,
            }
        }
    }
}

/// The labels of a name.
fn labels(name: &[u8]) -> Labels<'_> {
    Labels(name)
}

struct Labels<'a>(&'a [u8]);

impl Labels<'_> {
    fn eq_by_case(mut self, domain: &str) -> bool {
        let mut wanted = domain.split('.').filter(|label| !label.is_empty());
        loop {
            match (self.next(), wanted.next()) {
                (None, None) => return true,
                (Some(label), Some(wanted)) if label.eq_ignore_ascii_case(wanted.as_bytes()) => {}
                _ => return false,
            }
        }
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let [len, tail @ ..] = self.0 else { return None };
        let (label, rest) = tail.split_at_checked(usize::from(*len))?;
        self.0 = rest;
        Some(label)
    }
}

/// Whether `answer` is one to `query`: the same id and question, and marked as a response.
pub(super) fn answers(query: &[u8], answer: &[u8]) -> bool {
    let Some(parsed) = Query::parse(query) else { return false };
    let (Some(asked), Some(answered)) = (query.get(..parsed.end), answer.get(..parsed.end)) else {
        // Some servers leave the question away when they cannot read it.
        return answer.len() >= HEADER && answer[..2] == query[..2] && answer[2] & 0x80 != 0;
    };
    answered[..2] == asked[..2]
        && answered[2] & 0x80 != 0
        && (answered[4..6] == [0, 0] || answered[HEADER..].eq_ignore_ascii_case(&asked[HEADER..]))
}

#[cfg(test)]
pub(super) mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// A query for the address of `name`.
    pub(crate) fn query(id: u16, name: &str) -> Vec<u8> {
        let mut message = id.to_be_bytes().to_vec();
        message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        for label in name.split('.').filter(|label| !label.is_empty()) {
            message.push(label.len() as u8);
            message.extend(label.as_bytes());
        }
        message.extend([0, 0, 1, 0, 1]);
        message
    }

    #[test]
    fn a_name_is_within_its_domains_and_no_others() {
        let message = query(1, "www.Corp.example");
        let query = Query::parse(&message).unwrap();
        for domain in ["example", "corp.EXAMPLE", "www.corp.example", "corp.example."] {
            assert!(query.is_within(domain), "{domain}");
        }
        for domain in ["orp.example", "corp", "a.www.corp.example", "xample"] {
            assert!(!query.is_within(domain), "{domain}");
        }
        assert_eq!(query.question_end(), message.len());
    }

    #[test]
    fn what_is_no_query_is_none() {
        let good = query(1, "a.example");
        assert!(Query::parse(&good).is_some());
        for (at, value) in [(2, 0x80), (2, 0x28), (5, 0), (5, 2), (HEADER, 0xC0), (HEADER, 200)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(Query::parse(&bad).is_none(), "{at} {value}");
        }
        for len in 0..good.len() {
            assert!(Query::parse(&good[..len]).is_none(), "{len}");
        }
        let long = query(1, &["a23456789"; 26].join("."));
        assert!(Query::parse(&long).is_none());
    }

    #[test]
    fn an_answer_has_the_same_id_and_question() {
        let asked = query(7, "a.example");
        let mut answer = asked.clone();
        answer[2] |= 0x80;
        assert!(answers(&asked, &answer));
        assert!(!answers(&asked, &asked));
        let mut other = query(7, "b.example");
        other[2] |= 0x80;
        assert!(!answers(&asked, &other));
        let mut other = query(8, "a.example");
        other[2] |= 0x80;
        assert!(!answers(&asked, &other));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(message in prop::collection::vec(any::<u8>(), 0..80), other in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(query) = Query::parse(&message) {
                let _ = query.is_within("corp.example");
            }
            let _ = answers(&message, &other);
        }
    }
}
