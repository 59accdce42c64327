//! Secrets planted at random never survive.

use countersign_policy::Value;
use rust_decimal::Decimal;

use super::{Kinds, Redactor};

/// A small generator, so that `core` needs no crate for randomness: xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound as u64).unwrap_or(0)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn word(&mut self, alphabet: &str, length: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| self.pick(&alphabet)).collect()
    }

    /// Digits after `prefix` up to `length`, the last one making the number pass Luhn's check.
    fn card(&mut self) -> String {
        let (prefix, length) = self.pick(&[
            ("4", 16),
            ("4", 13),
            ("51", 16),
            ("34", 15),
            ("6011", 16),
            ("36", 14),
            ("3530", 16),
            ("62", 19),
        ]);
        let mut digits = prefix.to_owned() + &self.word("0123456789", length - 1 - prefix.len());
        let sum: u32 = digits
            .chars()
            .rev()
            .enumerate()
            .map(
                |(index, digit)| match digit.to_digit(10).unwrap_or(0) * if index % 2 == 0 { 2 } else { 1 } {
                    doubled if doubled > 9 => doubled - 9,
                    value => value,
                },
            )
            .sum();
        digits.push(char::from_digit((10 - sum % 10) % 10, 10).unwrap_or('0'));
        digits
    }

    fn iban(&mut self) -> String {
        let body = self.word("0123456789", 18);
        let number = format!("{body}131400"); // DE00
        let rest = number
            .bytes()
            .fold(0_u32, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
        format!("DE{:02}{body}", 98 - rest)
    }

    fn secret(&mut self) -> String {
        const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let body = self.word(BASE62, 40);
        match self.below(9) {
            0 => format!("sk-1{body}"),
            1 => format!("sk_live_{body}"),
            2 => format!("ghp_{body}"),
            3 => format!("AKIA{}", self.word("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
            4 => format!("glpat-{body}"),
            5 => format!("xoxb-{body}"),
            6 => format!("whsec_{body}"),
            7 => format!("eyJhbGciOiJFUzI1NiJ9.eyJ{body}.{body}"),
            _ => format!("cs_agent_{body}"),
        }
    }

    fn grouped(&mut self, text: &str) -> String {
        let separator = self.pick(&["", "", " ", "-", "\u{a0}", "\u{2009}", "\u{200b}", "\u{2011}", "%20"]);
        let groups: Vec<String> = text
            .as_bytes()
            .chunks(4)
            .map(|group| String::from_utf8_lossy(group).into_owned())
            .collect();
        groups.join(separator)
    }

    fn hidden(&mut self, text: &str) -> String {
        match self.below(5) {
            0 => text.chars().map(|c| format!("{c}\u{200d}")).collect(),
            1 => text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            2 => text
                .chars()
                .map(|c| char::from_u32(u32::from(c) - 0x21 + 0xFF01).unwrap_or(c))
                .collect(),
            _ => text.to_owned(),
        }
    }

    fn noise(&mut self) -> String {
        let length = self.below(12);
        let word = self.word("abc xyz,;\n\"'é漢☕()<>#", length);
        let end = self.pick(&[" ", ", ", "\n", "\"", "(", "漢", "; "]);
        format!("{word}{end}")
    }
}

#[test]
fn planted_secrets_never_survive() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for round in 0..20_000 {
        let (secret, kind) = match random.below(4) {
            0 => (random.card(), "card"),
            1 => (random.iban(), "iban"),
            2 => (
                format!(
                    "{:03}-{:02}-{:04}",
                    1 + random.below(665),
                    1 + random.below(99),
                    1 + random.below(9999)
                ),
                "ssn",
            ),
            _ => (random.secret(), ""),
        };
        let written = match kind {
            "card" | "iban" => random.grouped(&secret),
            _ => secret.clone(),
        };
        let written = if written == secret {
            random.hidden(&secret)
        } else {
            written
        };
        let given = format!(
            "{}{written}{}{}",
            random.noise(),
            random.pick(&[" ", ",", "\n", "\"", ")"]),
            random.noise()
        );
        let list = Value::List(vec![given.clone().into()]);
        let tree = Value::Map([("a".to_owned(), list), (given.clone(), Value::Number(Decimal::ONE))].into());
        let kept = Redactor::standard().redact(&tree, &Kinds::standard());
        let output = format!("{:?}", kept.value);
        assert!(
            !output.contains(&written.escape_debug().to_string()),
            "round {round}: {given:?} became {output}"
        );
        assert!(!output.contains(&secret), "round {round}: {given:?} became {output}");
        if !kind.is_empty() {
            assert!(
                kept.found.get(kind).is_some_and(|count| *count >= 2),
                "round {round}: {given:?} became {output}"
            );
        }
    }
}

#[test]
fn any_text_is_taken() {
    let mut random = Random(42);
    for _ in 0..20_000 {
        let length = random.below(60);
        let given = random.word("0123456789-. :=@%+(/_eyJskABEGIN\u{200b}\u{ff11}é漢\0\u{1d7d8}", length);
        let once = Redactor::standard().redact_text(&given, &Kinds::all());
        let found: u32 = once.found.values().sum();
        assert_eq!(once.text == given, found == 0, "{given:?}");
    }
}
