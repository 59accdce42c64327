//! What the word beside a value says about it: the key of a map, or the word before `:` or `=` in a text.

use super::fold::View;

/// What a word says about the value beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    Plain,
    /// A password or shared secret: whatever stands there goes, be it a number.
    Password,
    /// An access token, API key, cookie or credential: any text goes.
    Secret,
    /// Perhaps a key, perhaps the name of a file or an issue: goes if it looks random.
    Maybe,
    /// A social security number.
    Ssn,
    /// The code printed on a card.
    CardCode,
    /// A phone number.
    Phone,
}

/// The longest end of a word that matters.
const LONGEST: usize = 24;

/// What the word says, whatever its case and separators: `apiKey`, `API_KEY`, `x-api-key` are one.
pub(super) fn role(word: &str) -> Role {
    role_of(word.as_bytes())
}

pub(super) fn role_of(word: &[u8]) -> Role {
    let mut letters = word
        .iter()
        .rev()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase);
    let last = letters.next().unwrap_or(0);
    let pair = match last {
        b's' | b'2' => [letters.next().unwrap_or(0), last],
        _ => [last, 0],
    };
    // Most words are told apart by one letter.
    if !matches!(
        pair[0],
        b'd' | b'e' | b'l' | b'n' | b't' | b'y' | b'c' | b'v' | b'r' | b'k' | b'h' | b'x'
    ) && pair[1] == 0
    {
        return Role::Plain;
    }
    let second = letters.next().unwrap_or(0);
    match (second, pair[0]) {
        (b'r' | b'w', b'd')
        | (b's' | b'n' | b'i' | b'l', b'e')
        | (b'e' | b'a', b'l')
        | (b'e' | b'o' | b's', b'n')
        | (b'e', b't' | b'y')
        | (b't', b'y')
        | (b'v', b'c' | b'v')
        | (b'e', b'r')
        | (b's', b's')
        | (b't', b'h')
        | (b'a', b'x') => {}
        _ => return Role::Plain,
    }
    let mut buffer = [0_u8; LONGEST];
    let mut start = LONGEST;
    for byte in word
        .iter()
        .rev()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .take(LONGEST)
    {
        start -= 1;
        if let Some(place) = buffer.get_mut(start) {
            *place = byte.to_ascii_lowercase();
        }
    }
    let word = buffer.get(start..).unwrap_or_default();
    let word = match word {
        [rest @ .., b's'] if !rest.ends_with(b"pas") => rest,
        [rest @ .., b'2'] => rest,
        _ => word,
    };
    named(word)
}

/// Words before `key` that make it a secret.
const SECRET_KEYS: [&[u8]; 20] = [
    b"api",
    b"access",
    b"private",
    b"secret",
    b"encryption",
    b"signing",
    b"master",
    b"auth",
    b"shared",
    b"storage",
    b"hmac",
    b"aes",
    b"subscription",
    b"webhook",
    b"apikey",
    b"client",
    b"service",
    b"stripe",
    b"openai",
    b"app",
];

/// Words before `token` that make it a place in a list or a text, not a secret.
const HARMLESS_TOKENS: [&[u8]; 18] = [
    b"page",
    b"next",
    b"previous",
    b"prev",
    b"continuation",
    b"continue",
    b"cursor",
    b"sync",
    b"pagination",
    b"stop",
    b"eos",
    b"bos",
    b"pad",
    b"special",
    b"max",
    b"output",
    b"input",
    b"cancellation",
];

fn named(word: &[u8]) -> Role {
    let ends = |ends: &[&[u8]]| ends.iter().any(|end| word.ends_with(end));
    if ends(&[b"password", b"passwd", b"pwd", b"passphrase", b"passcode", b"secret"]) {
        return Role::Password;
    }
    if ends(&[b"authorization", b"credential", b"bearer", b"cookie", b"sessionid"]) {
        return Role::Secret;
    }
    if let Some(before) = word.strip_suffix(b"token") {
        let harmless = HARMLESS_TOKENS.iter().any(|harmless| before.ends_with(harmless));
        return if harmless { Role::Plain } else { Role::Secret };
    }
    if let Some(before) = word.strip_suffix(b"key") {
        let secret = SECRET_KEYS.iter().any(|secret| before.ends_with(secret));
        let public = before.ends_with(b"public") || before.ends_with(b"idempotency");
        return if secret {
            Role::Secret
        } else if public {
            Role::Plain
        } else {
            Role::Maybe
        };
    }
    if ends(&[b"ssn", b"socialsecurity", b"socialsecuritynumber", b"ssnumber"]) || word.ends_with(b"ssnno") {
        return Role::Ssn;
    }
    if ends(&[b"cvv", b"cvc", b"cardsecuritycode", b"cardverificationvalue"]) {
        return Role::CardCode;
    }
    if ends(&[
        b"phone",
        b"mobile",
        b"cell",
        b"tel",
        b"fax",
        b"phonenumber",
        b"mobilenumber",
    ]) {
        return Role::Phone;
    }
    Role::Plain
}

/// Whether a whole text beside such a word is a secret.
pub(super) fn is_secret_text(role: Role, text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || is_reference(text.as_bytes()) {
        return false;
    }
    match role {
        Role::Password => true,
        // `max_tokens: "1200"` and the like are counts.
        Role::Secret => text.len() >= 8 || !text.bytes().all(|byte| byte.is_ascii_digit()),
        Role::Maybe => looks_random(text.as_bytes()),
        Role::Plain | Role::Ssn | Role::CardCode | Role::Phone => false,
    }
}

/// Whether the text is the three or four digits printed on a card.
pub(super) fn is_card_code(text: &str) -> bool {
    let text = text.trim();
    matches!(text.len(), 3 | 4) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the text names a secret that is kept elsewhere, or stands for one that was replaced.
pub(super) fn is_reference(text: &[u8]) -> bool {
    let stars = text.iter().all(|byte| matches!(byte, b'*' | b'.' | b'x')) && text.len() >= 3;
    stars || text.starts_with(b"secret://") || text.starts_with(b"[redacted:")
}

/// Whether such a text can only have been drawn at random: long, of mixed letters and digits, without words.
///
/// Digests and UUIDs, which have one case, are left alone. Sum of squares of the counts: collision (Rényi) entropy of at least
/// 3.3 bits per byte, in whole numbers.
pub(super) fn looks_random(text: &[u8]) -> bool {
    let length = text.len();
    let drawn = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-');
    if !(20..=512).contains(&length) || !text.iter().all(drawn) {
        return false;
    }
    let mut counts = [0_usize; 128];
    let (mut upper, mut lower, mut digit, mut word, mut longest) = (0_usize, 0_usize, 0_usize, 0_usize, 0_usize);
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
        upper += usize::from(byte.is_ascii_uppercase());
        digit += usize::from(byte.is_ascii_digit());
        lower += usize::from(byte.is_ascii_lowercase());
        word = if byte.is_ascii_lowercase() { word + 1 } else { 0 };
        longest = longest.max(word);
    }
    let squares: usize = counts.iter().map(|count| count * count).sum();
    upper >= 2 && lower >= 2 && digit >= 2 && longest <= 6 && squares * 10 <= length * length
}

/// Whether one of `words` stands within `reach` bytes of `start..end`, as a word of its own.
pub(super) fn near(view: View<'_>, start: usize, end: usize, reach: (usize, usize), words: &[&[u8]]) -> bool {
    let from = start.saturating_sub(reach.0);
    let to = end.saturating_add(reach.1).min(view.bytes.len());
    (from..start).chain(end..to).any(|at| {
        words.iter().any(|word| {
            let found = view.slice(at, at + word.len());
            let inside = view.before(at).is_ascii_alphabetic() && !view.byte(at).is_ascii_uppercase();
            found.eq_ignore_ascii_case(word) && !inside && !view.byte(at + word.len()).is_ascii_lowercase()
                || *word == b"social" && found.eq_ignore_ascii_case(word)
        })
    })
}
