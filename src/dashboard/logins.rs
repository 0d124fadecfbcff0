//! Who is logged in: one-time links, the pairs of cookie and token that they are exchanged for, and what ends with them.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde::Serialize;

use crate::base::clock::{self, Millis};
use crate::base::secret::{Digest, Secret};
use crate::base::sync::lock;
use crate::base::workers::Workers;
use crate::base::{Code, Error, Result, id};

/// How long a link can be used.
pub const LINK_LIFE: Millis = 10 * 60 * 1000;
/// How long a login lasts without use.
const IDLE: Millis = 12 * 60 * 60 * 1000;
/// Logins at once; one more ends the one that was used least recently.
const MOST: usize = 32;
/// Links that wait to be used; one more ends the oldest.
const MOST_LINKS: usize = 16;
/// Longest name of a browser that is kept, characters.
const AGENT_KEPT: usize = 200;

/// A browser that is logged in. Of its secrets only the digests are kept.
pub struct Login {
    /// What it is called.
    pub id: String,
    cookie: Digest,
    token: Digest,
    created: Millis,
    used: AtomicU64,
    from: IpAddr,
    agent: String,
    /// Its sockets; stopping them ends its streams too.
    workers: Workers,
}

impl Login {
    /// Where its sockets run. What is to end with the login watches their end.
    pub fn workers(&self) -> &Workers {
        &self.workers
    }
    /// It is used now.
    pub fn touch(&self) {
        self.used.store(clock::now(), Ordering::Relaxed);
    }
    fn used(&self) -> Millis {
        self.used.load(Ordering::Relaxed)
    }
    fn end(&self) {
        self.workers.stopping().cancel();
    }
    /// Whether nobody has used it for long; `holders` beside the list are streams that are open.
    fn is_stale(&self, holders: usize, now: Millis) -> bool {
        holders == 0 && self.workers.running().is_empty() && self.used() + IDLE <= now
    }
}

/// A login as it is listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    login_id: String,
    created_at: Millis,
    last_used: Millis,
    from: IpAddr,
    user_agent: String,
    current: bool,
}

/// What a browser gets for a link.
pub struct Entered {
    /// The login.
    pub login: Arc<Login>,
    /// What it is to send as a header.
    pub token: Secret,
    /// What it is to send as a cookie; nothing where it has a good one from another tab.
    pub cookie: Option<Secret>,
}

/// A link that waits to be used.
struct Link {
    digest: Digest,
    until: Millis,
}

#[derive(Default)]
struct State {
    links: Vec<Link>,
    logins: Vec<Arc<Login>>,
}

/// All logins.
#[derive(Default)]
pub struct Logins(Mutex<State>);

impl Logins {
    /// Makes a link's secret, and says until when it can be used.
    pub fn link(&self) -> Result<(Secret, Millis)> {
        let (secret, until) = (Secret::generate()?, clock::now() + LINK_LIFE);
        let mut state = lock(&self.0);
        if state.links.len() >= MOST_LINKS {
            state.links.remove(0);
        }
        state.links.push(Link { digest: secret.digest(), until });
        Ok((secret, until))
    }

    /// Takes a link's secret, which is useless from then on. `cookies` are those that came along: a browser that is logged in
    /// keeps its own, so that its other tabs stay so.
    ///
    /// # Errors
    /// `AUTH_EXPIRED_KEY` for a link that was used, is too old or never was.
    pub fn enter(&self, link: &str, cookies: &[&str], from: IpAddr, agent: &str) -> Result<Entered> {
        let (given, now) = (Digest::of(link), clock::now());
        let (token, fresh) = (Secret::generate()?, Secret::generate()?);
        let mut state = lock(&self.0);
        state.tidy(now);
        let at = state.links.iter().position(|known| known.digest == given).ok_or_else(|| {
            Error::new(Code::AuthExpiredKey, "the link was used already, or is older than ten minutes")
                .hint("Get another one with: loopsy dashboard")
        })?;
        state.links.remove(at);
        let known = cookies.iter().map(|cookie| Digest::of(cookie)).find(|cookie| state.logins.iter().any(|login| login.cookie == *cookie));
        let login = Arc::new(Login {
            id: id::request(),
            cookie: known.unwrap_or_else(|| fresh.digest()),
            token: token.digest(),
            created: now,
            used: now.into(),
            from,
            agent: agent.chars().take(AGENT_KEPT).collect(),
            workers: Workers::default(),
        });
        while state.logins.len() >= MOST {
            let oldest = state.logins.iter().enumerate().min_by_key(|(_, login)| login.used()).map_or(0, |(at, _)| at);
            state.logins.remove(oldest).end();
        }
        state.logins.push(login.clone());
        Ok(Entered { login, token, cookie: known.is_none().then_some(fresh) })
    }

    /// The login that one of these cookies and this token belong to, both.
    pub fn of(&self, cookies: &[&str], token: &str) -> Option<Arc<Login>> {
        let token = Digest::of(token);
        self.find(cookies, |login| login.token == token)
    }
    /// The login of this id, if one of these cookies belongs to it.
    pub fn of_id(&self, cookies: &[&str], id: &str) -> Option<Arc<Login>> {
        self.find(cookies, |login| login.id == id)
    }
    fn find(&self, cookies: &[&str], is_it: impl Fn(&Login) -> bool) -> Option<Arc<Login>> {
        let cookies: Vec<Digest> = cookies.iter().map(|cookie| Digest::of(cookie)).collect();
        let mut state = lock(&self.0);
        state.tidy(clock::now());
        let found = state.logins.iter().find(|login| is_it(login) && cookies.contains(&login.cookie)).cloned()?;
        found.touch();
        Some(found)
    }

    /// All logins, the newest first; `current` is the one that asks.
    pub fn rows(&self, current: &str) -> Vec<Row> {
        let mut state = lock(&self.0);
        state.tidy(clock::now());
        let row = |login: &Arc<Login>| Row {
            login_id: login.id.clone(),
            created_at: login.created,
            last_used: login.used(),
            from: login.from,
            user_agent: login.agent.clone(),
            current: login.id == current,
        };
        state.logins.iter().rev().map(row).collect()
    }
    /// Ends a login, and its streams and sockets with it; whether there was one of this id.
    pub fn end(&self, id: &str) -> bool {
        let mut state = lock(&self.0);
        let found = state.logins.iter().position(|login| login.id == id).map(|at| state.logins.remove(at));
        found.iter().for_each(|login| login.end());
        found.is_some()
    }
    /// Ends all.
    pub fn end_all(&self) {
        lock(&self.0).logins.drain(..).for_each(|login| login.end());
    }
}

impl State {
    /// Forgets links and logins whose time is over.
    fn tidy(&mut self, now: Millis) {
        self.links.retain(|link| now < link.until);
        self.logins.retain(|login| {
            let is_stale = login.is_stale(Arc::strong_count(login) - 1, now);
            if is_stale {
                login.end();
            }
            !is_stale
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn enter(logins: &Logins) -> Entered {
        let (link, _) = logins.link().unwrap();
        logins.enter(link.expose(), &[], Ipv4Addr::LOCALHOST.into(), "x").unwrap()
    }
    fn pair(entered: &Entered) -> (String, String) {
        (entered.cookie.as_ref().unwrap().expose().to_owned(), entered.token.expose().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_works_once_and_for_ten_minutes() {
        clock::follow_runtime();
        let logins = Logins::default();
        let use_it = |link: &Secret| logins.enter(link.expose(), &[], Ipv4Addr::LOCALHOST.into(), "").err().map(|error| error.code);
        let (link, until) = logins.link().unwrap();
        assert_eq!(until, clock::now() + LINK_LIFE);
        assert_eq!((use_it(&link), use_it(&link)), (None, Some(Code::AuthExpiredKey)));
        let (late, _) = logins.link().unwrap();
        tokio::time::advance(Duration::from_millis(LINK_LIFE)).await;
        assert_eq!(use_it(&late), Some(Code::AuthExpiredKey));
    }

    #[test]
    fn cookie_and_token_are_both_needed_and_of_one_login() {
        let logins = Logins::default();
        let ((cookie, token), (other_cookie, other_token)) = (pair(&enter(&logins)), pair(&enter(&logins)));
        assert!(logins.of(&["x", &cookie], &token).is_some());
        for (cookies, token) in
            [(&[][..], &*token), (&[&*cookie][..], ""), (&[&cookie], &other_token), (&[&other_cookie], &token), (&[&token], &cookie)]
        {
            assert!(logins.of(cookies, token).is_none());
        }
    }

    #[test]
    fn a_second_tab_keeps_the_cookie_of_the_first() {
        let logins = Logins::default();
        let (cookie, token) = pair(&enter(&logins));
        let (link, _) = logins.link().unwrap();
        let second = logins.enter(link.expose(), &[&cookie], Ipv4Addr::LOCALHOST.into(), "").unwrap();
        assert!(second.cookie.is_none());
        assert!(logins.of(&[&cookie], &token).is_some() && logins.of(&[&cookie], second.token.expose()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_ends_when_it_is_not_used_and_not_before() {
        clock::follow_runtime();
        let logins = Logins::default();
        let (cookie, token) = pair(&enter(&logins));
        for _ in 0..3 {
            tokio::time::advance(Duration::from_millis(IDLE - 1)).await;
            assert!(logins.of(&[&cookie], &token).is_some());
        }
        let stream = logins.of(&[&cookie], &token);
        tokio::time::advance(Duration::from_millis(2 * IDLE)).await;
        assert_eq!(logins.rows("").len(), 1, "a stream is open");
        drop(stream);
        assert!(logins.of(&[&cookie], &token).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn links_and_logins_are_bounded_and_who_must_go_is_cut_off() {
        clock::follow_runtime();
        let logins = Logins::default();
        let first = enter(&logins);
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(1)).await;
            enter(&logins);
        }
        assert!(first.login.workers().stopping().is_cancelled());
        assert_eq!(logins.rows("").len(), MOST);
        (0..1000).for_each(|_| drop(logins.link().unwrap()));
        assert_eq!(lock(&logins.0).links.len(), MOST_LINKS);
        let last = logins.rows("")[0].login_id.clone();
        assert!(logins.end(&last) && !logins.end(&last));
    }
}
