//! One platform of the crate ocpi-kit: it registers at a hub with the crate's client, serves all that its party needs
//! with the crate's server, and does what it is told. Only the wiring is here; every request and answer is the crate's.
//!
//! `kit-platform ROLE PARTY VERSION PORT VERSIONS_URL TOKEN_A PARTNER...`; a PARTNER is a party it takes objects from.
//! Reads one JSON object a line: `{"do": NAME, "to": PARTY or null, ...}`; without `to` the request is an open one.
//! Writes one a line: `{"done": VALUE}` or `{"failed": TEXT}` for each, and `{"told": ...}` for every request it got.

mod platform;
mod requests;

use std::io::BufRead;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use ocpi_kit::VersionNumber;
use ocpi_kit::client::{ClientConfig, OcpiClient, Peer, Registration};
use ocpi_kit::server::{InMemoryTokenStore, OcpiRouter, ServerConfig};
use ocpi_kit::testkit::{MockPeer, registered_peer};
use ocpi_kit::transport::CredentialsToken;
use ocpi_kit::types::{PartyRef, Url};
use ocpi_kit::v2_3_0::types::Role;
use serde_json::{Value, json};

use platform::Platform;

pub type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// The token with which the hub calls this platform.
fn token_b() -> CredentialsToken {
    CredentialsToken::new_lenient("token-b-of-the-kit-platform")
}

fn say(what: &str, value: Value) {
    println!("{}", json!({ what: value }));
}

/// `NL-TNM` as the command line and the hub write it.
pub fn party(text: &str) -> Fallible<PartyRef> {
    Ok(text.replace('-', "/").parse::<PartyRef>()?)
}

fn runtime() -> Fallible<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, own, version, port, versions_url, token_a, partners @ ..] = arguments.as_slice() else {
        return Err("ROLE PARTY VERSION PORT VERSIONS_URL TOKEN_A PARTNER...".into());
    };
    let version: VersionNumber = version.as_str().into();
    let base = Url::new(format!("http://127.0.0.1:{port}"))?;
    let role = if role == "cpo" { Role::Cpo } else { Role::Emsp };
    let platform = Platform::new(MockPeer::new(base.clone(), party(own)?, role));
    let known = partners.iter().map(|name| party(name)).collect::<Fallible<Vec<_>>>()?;
    serve(&platform, version.clone(), base.clone(), port, known)?;

    // The runtime rests between two requests: it would not notice that a kept connection was closed meanwhile
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build()?;
    let client = OcpiClient::from_http(http, ClientConfig::for_testing());
    let runtime = runtime()?;
    let mut credentials = platform.mock.credentials();
    credentials.token = token_b().to_credentials_field();
    let hub: Peer = runtime.block_on(async {
        let token_a = CredentialsToken::new(token_a.as_str())?;
        let found = Registration::new(Url::new(versions_url.as_str())?, token_a).discover(client.transport()).await?;
        let selected = found.select(client.transport(), &version).await?;
        Ok::<_, Box<dyn std::error::Error>>(selected.register(client.transport(), &credentials).await?)
    })?;
    let parties: Vec<String> = hub.parties().iter().map(ToString::to_string).collect();
    say("done", json!({
        "version": hub.version().to_string(),
        "token": hub.token().expose_secret(),
        "hub": hub.hub().map(ToString::to_string),
        "parties": parties,
    }));

    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        match runtime.block_on(requests::perform(&client, &hub, &platform, &asked)) {
            Ok(value) => say("done", value),
            Err(error) => say("failed", Value::String(error.to_string())),
        }
    }
    Ok(())
}

/// The platform's own endpoints, on a thread of their own.
fn serve(platform: &Platform, version: VersionNumber, base: Url, port: &str, partners: Vec<PartyRef>) -> Fallible<()> {
    let tokens = Arc::new(InMemoryTokenStore::new());
    tokens.insert(token_b(), registered_peer("hub", partners));
    // Its version details put the receiver of commands below `receiver`, its routes do not: a second router does
    let commands = OcpiRouter::new(version.clone(), base.join("receiver"), tokens.clone())
        .with_config(ServerConfig::default().one_router_per_role())
        .commands_receiver(platform.clone())
        .build();
    let router = platform
        .mock
        .mount(OcpiRouter::new(version, base, tokens))
        .commands_receiver(platform.clone())
        .commands_sender(platform.clone())
        .charging_profiles_receiver(platform.clone())
        .charging_profiles_sender(platform.clone())
        .hub_client_info_receiver(platform.clone())
        .build()
        .nest("/receiver", commands)
        .layer(from_fn(tell));
    let listener = std::net::TcpListener::bind(format!("127.0.0.1:{port}"))?;
    listener.set_nonblocking(true)?;
    let runtime = runtime()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener of the operating system");
            axum::serve(listener, router).await.expect("serves until the process ends");
        });
    });
    Ok(())
}

/// Says what came and the HTTP status that the crate answered with.
async fn tell(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let headers: serde_json::Map<String, Value> = head
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("ocpi-") || name.as_str().starts_with("x-"))
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap_or_default())))
        .collect();
    let mut told = json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "headers": headers,
        "body": serde_json::from_slice::<Value>(&bytes).unwrap_or_default(),
    });
    let answer = next.run(Request::from_parts(head, bytes.into())).await;
    told["status"] = json!(answer.status().as_u16());
    say("told", told);
    answer
}
