//! The page's files: packed into the program, and sent as they are packed.
//!
//! A debug build reads them from the folder of the sources when they are asked for, so that who writes them sees them at once.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::GzDecoder;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::base::{Error, Result, hash};
use crate::http::Body;
use crate::http::body;

/// All files by their paths: packed with gzip in a release build, as they are in a debug build.
#[derive(RustEmbed)]
#[cfg_attr(debug_assertions, folder = "assets/dashboard")]
#[cfg_attr(not(debug_assertions), folder = "$OUT_DIR/dashboard")]
struct Files;

/// What is served, by the ends of the names.
const TYPES: [(&str, &str); 9] = [
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("webmanifest", "application/manifest+json"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("woff2", "font/woff2"),
];

/// Whether a path is one of the page's files.
pub fn is_there(path: &str) -> bool {
    find(path).is_some()
}

/// Answers GET and HEAD for one of them; nothing where there is none.
pub fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Option<Result<Response<Body>>> {
    find(path).map(|(kind, file)| respond(method, kind, file, headers))
}

fn respond(method: &Method, kind: &'static str, file: EmbeddedFile, headers: &HeaderMap) -> Result<Response<Body>> {
    let takes_gzip = takes_gzip(headers);
    // What is sent in two forms has two tags.
    let form = if takes_gzip { "gzip" } else { "plain" };
    let tag = format!("\"{}-{form}\"", hash::hex(&file.metadata.sha256_hash()));
    let mut response = Response::new(body::empty());
    if is_known(headers, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        let packed = packed(file)?;
        let bytes = if takes_gzip { packed } else { unpack(&packed)?.into() };
        response.headers_mut().insert(header::CONTENT_LENGTH, bytes.len().into());
        if *method != Method::HEAD {
            *response.body_mut() = match bytes {
                Cow::Borrowed(bytes) => body::full(bytes),
                Cow::Owned(bytes) => body::full(bytes),
            };
        }
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if takes_gzip {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    let tag = HeaderValue::from_str(&tag).map_err(|cause| Error::internal("a tag could not be written", cause))?;
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    Ok(response)
}

/// The content type of a file, and the file.
fn find(path: &str) -> Option<(&'static str, EmbeddedFile)> {
    let name = match path.strip_prefix('/')? {
        "" => "index.html",
        name => name,
    };
    let ending = name.rsplit_once('.')?.1;
    let kind = TYPES.iter().find(|(known, _)| *known == ending)?.1;
    // A debug build looks for it on the disk, where a name may say more.
    let is_plain = |part: &str| !part.starts_with('.') && !part.contains(['\\', ':', '%', '\0']) && !part.is_empty();
    let file = name.split('/').all(is_plain).then(|| Files::get(name))??;
    Some((kind, file))
}

/// A file as it is sent to who takes gzip.
#[cfg(not(debug_assertions))]
fn packed(file: EmbeddedFile) -> Result<Cow<'static, [u8]>> {
    Ok(file.data)
}

#[cfg(debug_assertions)]
fn packed(file: EmbeddedFile) -> Result<Cow<'static, [u8]>> {
    let mut packed = Vec::new();
    let mut packer = flate2::bufread::GzEncoder::new(file.data.as_ref(), flate2::Compression::fast());
    packer.read_to_end(&mut packed).map_err(|cause| Error::internal("a file of the page can't be packed", cause))?;
    Ok(packed.into())
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut plain).map_err(|cause| Error::internal("a file of the page can't be unpacked", cause))?;
    Ok(plain)
}

/// Whether whoever sent these headers takes gzip: it is named, and not with the weight 0.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let said = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    said.map(|coding| coding.split_once(';').unwrap_or((coding, ""))).any(|(coding, weight)| {
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        matches!(coding.trim(), "gzip" | "*") && weight.is_none_or(|weight| weight > 0.0)
    })
}

/// Whether whoever sent these headers has the file of this tag.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let said = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    said.map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn no_path_leaves_the_page() {
        assert!(is_there("/") && is_there("/index.html") && is_there("/js/main.js"));
        for path in [
            "",
            "index.html",
            "//index.html",
            "/../index.html",
            "/js/../index.html",
            "/./index.html",
            "/%2e%2e/index.html",
            "/..%2findex.html",
            "/../../Cargo.toml",
            "/../../docs/openapi.json",
            "/js\\main.js",
            "/C:/x.js",
            "/js/",
            "/js",
            "/x.js\0",
            "/.x.js",
            "//etc/hosts.json",
        ] {
            assert!(!is_there(path), "{path:?}");
        }
    }

    #[test]
    fn each_form_of_a_file_has_a_tag_of_its_own_and_is_sent_once() {
        let ask = |pairs: &[(header::HeaderName, &str)]| answer(&Method::GET, "/", &headers(pairs)).unwrap().unwrap();
        let (packed, plain) = (ask(&[(header::ACCEPT_ENCODING, "br, gzip")]), ask(&[]));
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        let [tag, other] = [&packed, &plain].map(|answer| answer.headers()[header::ETAG].to_str().unwrap().to_owned());
        assert!(tag != other && !tag.starts_with("W/"));
        for again in [tag.clone(), format!("\"x\", W/{tag}"), "*".into()] {
            let known = ask(&[(header::ACCEPT_ENCODING, "gzip"), (header::IF_NONE_MATCH, &again)]);
            assert_eq!((known.status(), &known.headers()[header::ETAG]), (StatusCode::NOT_MODIFIED, &tag.parse::<HeaderValue>().unwrap()));
        }
        assert_eq!(ask(&[(header::IF_NONE_MATCH, &tag)]).status(), StatusCode::OK);
    }

    #[test]
    fn who_does_not_take_gzip_gets_none() {
        for (said, takes) in [("gzip", true), ("br;q=1, gzip;q=0.5", true), ("*", true), ("gzip;q=0", false), ("br", false), ("", false)] {
            assert_eq!(takes_gzip(&headers(&[(header::ACCEPT_ENCODING, said)])), takes, "{said}");
        }
    }
}
