//! The e-mail channel: one message to one person, by SMTP with TLS, to a server whose addresses are checked like those of webhooks.
//!
//! Sources: RFC 5321 (replies), RFC 3207 (STARTTLS, which is required and not merely tried), RFC 8314 (`smtps`), RFC 3834
//! (`Auto-Submitted`, which keeps holiday answers away).

use std::fmt;
use std::str::FromStr;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use crate::address::{Allowlist, Target, TargetError};
use crate::channel::{Attempt, Reason};
use crate::notice::{Notice, clipped, one_line};
use crate::webhook::{Sender, retry};

#[cfg(test)]
mod tests;

/// The longest text of an agent's in a message, in characters; the rest is behind the link.
const AGENT_WORDS: usize = 2000;
/// What stands between what Countersign says and what an agent does.
const RULE: &str = "--------";

/// A server that takes mail, and how to sign in there.
#[derive(Clone)]
pub struct SmtpServer {
    target: Target,
    /// TLS from the first byte, in place of STARTTLS.
    wrapped: bool,
    sign_in: Option<(String, Zeroizing<String>)>,
}

impl SmtpServer {
    /// Reads `smtps://user:password@host:465` or `smtp://user:password@host:587`; user and password are percent-encoded,
    /// and may be left out.
    ///
    /// # Errors
    ///
    /// Another scheme; a port other than 25, 465, 587 and 2525, or a host that is not public, unless `allowlist` names both.
    pub fn parse(text: &str, allowlist: &Allowlist) -> Result<Self, SmtpServerError> {
        let url = Url::parse(text).map_err(|_| SmtpServerError::Malformed)?;
        let wrapped = match url.scheme() {
            "smtps" => true,
            "smtp" => false,
            _ => return Err(SmtpServerError::Malformed),
        };
        let plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str().filter(|_| plain).ok_or(SmtpServerError::Malformed)?;
        let port = url.port().unwrap_or(if wrapped { 465 } else { 587 });
        let named = Target::parse(&format!("http://{host}:{port}/"), allowlist);
        let target = match named.ok().filter(Target::is_lifted) {
            Some(target) => target,
            None if !matches!(port, 25 | 465 | 587 | 2525) => return Err(SmtpServerError::Port),
            None => Target {
                port,
                ..Target::parse(&format!("https://{host}/"), &Allowlist::default()).map_err(SmtpServerError::Host)?
            },
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from);
        let sign_in = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                let user = decoded(user).map_err(|_| SmtpServerError::Malformed)?;
                let password = decoded(password).map_err(|_| SmtpServerError::Malformed)?;
                Some((user, Zeroizing::new(password)))
            }
            _ => return Err(SmtpServerError::Malformed),
        };
        Ok(SmtpServer {
            target,
            wrapped,
            sign_in,
        })
    }

    /// Host and port, for people and records: nothing secret.
    pub fn place(&self) -> String {
        format!("{}:{}", self.target.host, self.target.port)
    }

    fn tls(&self) -> Result<Tls, lettre::transport::smtp::Error> {
        let parameters = TlsParameters::new(self.target.host.clone())?;
        Ok(match (self.wrapped, self.target.is_lifted()) {
            (true, _) => Tls::Wrapper(parameters),
            // A relay on a private network, which the operator has named: it may do without.
            (false, true) => Tls::Opportunistic(parameters),
            (false, false) => Tls::Required(parameters),
        })
    }
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpServer({})", self.place())
    }
}

/// Why a text is no server to send mail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpServerError {
    /// Not such a URL.
    #[error("a mail server is `smtps://user:password@host` or `smtp://user:password@host:587`, percent-encoded")]
    Malformed,
    /// Another port.
    #[error(
        "mail goes to port 25, 465, 587 or 2525: start Countersign with `--allow-callbacks-to host:port` to allow another"
    )]
    Port,
    /// The host is none to send to.
    #[error("{0}")]
    Host(TargetError),
}

/// Whether mail can be sent to or from this: `name@example.com`, or with a name before it in `Name <…>`.
pub fn is_mailbox(text: &str) -> bool {
    !text.contains(char::is_control) && Mailbox::from_str(text).is_ok()
}

/// `Auto-Submitted: auto-generated`
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The message that tells `notices` to one person: as plain text and as HTML. `None` if it cannot be addressed.
fn message(from: &str, to: &str, notices: &[Notice]) -> Option<lettre::Message> {
    let first = notices.first()?;
    let from = Mailbox::from_str(from).ok()?;
    let to = Mailbox::new(None, Address::from_str(to).ok()?);
    let domain = from.email.domain().to_owned();
    let subject = match notices {
        [only] => format!("{}: {}", only.what.headline(), only.sentence),
        several => format!("{} requests: {}", several.len(), first.what.headline()),
    };
    let body = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, text_of(notices)))
        .singlepart(part(ContentType::TEXT_HTML, html_of(notices)));
    lettre::Message::builder()
        .from(from)
        .to(to)
        .subject(clipped(&one_line(&subject), 150))
        .message_id(Some(format!("<{}@{domain}>", first.id)))
        .header(AutoSubmitted)
        .multipart(body)
        .ok()
}

fn part(kind: ContentType, body: String) -> SinglePart {
    SinglePart::builder().header(kind).body(body)
}

fn text_of(notices: &[Notice]) -> String {
    let one = |notice: &Notice| {
        let mut lines = vec![
            format!("{}.", notice.what.headline()),
            String::new(),
            one_line(&notice.sentence),
            String::new(),
        ];
        lines.extend((notice.facts().iter()).map(|(label, text)| format!("{label}: {}", one_line(text))));
        if let Some(decide) = &notice.decide {
            lines.push(format!("Decide, once and as nobody else: {decide}"));
        }
        lines.push(format!("Open: {}", notice.link));
        if let Some(words) = &notice.agent_says {
            let heading = "The agent says, and nobody has checked:";
            lines.extend([String::new(), RULE.to_owned(), heading.to_owned()]);
            lines.extend(
                unlinked(&clipped(words, AGENT_WORDS))
                    .lines()
                    .map(|line| format!("> {}", one_line(line))),
            );
        }
        lines.join("\n")
    };
    let all: Vec<_> = notices.iter().map(one).collect();
    all.join("\n\n----------------------------------------\n\n") + "\n"
}

fn html_of(notices: &[Notice]) -> String {
    let one = |notice: &Notice| {
        let facts: String = (notice.facts().iter())
            .map(|(label, text)| format!("<tr><th align=\"left\">{label}</th><td>{}</td></tr>", escaped(text)))
            .collect();
        let words = notice.agent_says.as_ref().map(|words| {
            format!(
                "<hr><p>The agent says, and nobody has checked:</p><blockquote>{}</blockquote>",
                escaped(&unlinked(&clipped(words, AGENT_WORDS))).replace('\n', "<br>")
            )
        });
        let decide = notice.decide.as_ref().map(|decide| {
            let decide = escaped(decide);
            format!("<p><a href=\"{decide}\">Read it and decide</a>: works once, and for you alone</p>")
        });
        format!(
            "<h2>{}</h2><p>{}</p><table>{facts}</table>{}<p><a href=\"{}\">Open in Countersign</a></p>{}",
            notice.what.headline(),
            escaped(&notice.sentence),
            decide.unwrap_or_default(),
            escaped(&notice.link),
            words.unwrap_or_default(),
        )
    };
    let all: Vec<_> = notices.iter().map(one).collect();
    format!("<!doctype html><html><body>{}</body></html>\n", all.join("<hr>"))
}

/// What an agent says, with brackets in all that a mail program would make a link of by itself: beside a link that decides,
/// another one must not pass for it.
fn unlinked(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let (mut before, mut rest) = (' ', text.chars().peekable());
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match c {
            ':' if next == '/' => safe.push_str("[:]"),
            // `example.com` as well as `www.`; a sum such as 3.50 is none.
            '.' if before.is_alphanumeric() && next.is_alphabetic() => safe.push_str("[.]"),
            '@' if before.is_alphanumeric() && next.is_alphanumeric() => safe.push_str("[@]"),
            other => safe.push(other),
        }
        before = c;
    }
    safe
}

/// Text that stands for itself in HTML, in an element as well as in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' => safe.push('\n'),
            other => safe.push_str(&one_line(&other.to_string())),
        }
    }
    safe
}

impl Sender {
    /// Tries once to tell a person something by mail; several notices go into one message.
    pub async fn mail(&self, server: &SmtpServer, from: &str, to: &str, notices: &[Notice]) -> Attempt {
        let Some(message) = message(from, to, notices) else {
            return Attempt::Rejected {
                reason: Reason::Word("not an e-mail address"),
            };
        };
        let sending = async {
            let addresses = match self.addresses(&server.target).await {
                Ok(addresses) => addresses,
                Err(attempt) => return attempt,
            };
            let mut attempt = retry(Reason::Connect);
            for address in addresses {
                let Ok(tls) = server.tls() else { return attempt };
                // Connects to the address that was checked; the certificate has to be that of the name.
                let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
                    .port(address.port())
                    .tls(tls)
                    .timeout(Some(self.limits().connect));
                if let Some((user, password)) = &server.sign_in {
                    transport = transport.credentials(Credentials::new(user.clone(), password.to_string()));
                }
                match transport.build().send(message.clone()).await {
                    Ok(reply) => {
                        return Attempt::Delivered {
                            status: u16::from(reply.code()),
                        };
                    }
                    Err(error) => {
                        attempt = judged(&error);
                        // Another address is tried only if nothing was said at this one.
                        if error.is_response() || error.is_permanent() || error.is_transient() {
                            return attempt;
                        }
                    }
                }
            }
            attempt
        };
        timeout(self.limits().total, sending)
            .await
            .unwrap_or_else(|_| retry(Reason::Timeout))
    }
}

/// What an error means: 4xx is tried again, 5xx is not (RFC 5321 4.2.1).
fn judged(error: &lettre::transport::smtp::Error) -> Attempt {
    let status = error.status().map(u16::from);
    match status {
        Some(status) if error.is_permanent() => Attempt::Rejected {
            reason: Reason::Status(status),
        },
        Some(status) => retry(Reason::Status(status)),
        None if error.is_timeout() => retry(Reason::Timeout),
        None if error.is_tls() => retry(Reason::Word("no TLS that can be trusted")),
        None if error.is_client() => retry(Reason::Word("no way to sign in that both know")),
        None if error.is_response() => retry(Reason::Broken),
        None => retry(Reason::Connect),
    }
}
