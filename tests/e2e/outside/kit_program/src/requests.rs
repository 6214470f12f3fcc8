//! The requests that the platform can be told to make, each by the crate's typed client.

use http::Method;
use ocpi_kit::ModuleId;
use ocpi_kit::client::{
    CdrsClient, ChargingProfilesClient, CommandsClient, LocationsReceiver, LocationsSender, ModuleClient, OcpiClient,
    OcpiRequest, Peer, SessionsReceiver, SessionsSender, TariffsReceiver, TariffsSender, TokensReceiver, TokensSender,
};
use ocpi_kit::server::CallbackUrls;
use ocpi_kit::transport::{PageQuery, Patch, RoutingHeaders};
use ocpi_kit::types::{PartyRef, Url};
use ocpi_kit::v2_3_0::commands::Command;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::platform::Platform;
use crate::{Fallible, party};

/// One of `asked`'s fields as an object of the crate.
fn read<T: DeserializeOwned>(asked: &Value, name: &str) -> Fallible<T> {
    Ok(serde_json::from_value(asked[name].clone())?)
}

fn text<'a>(asked: &'a Value, name: &str) -> &'a str {
    asked[name].as_str().unwrap_or_default()
}

fn receiver(asked: &Value) -> Fallible<Option<PartyRef>> {
    asked["to"].as_str().map(party).transpose()
}

pub async fn perform(client: &OcpiClient, hub: &Peer, platform: &Platform, asked: &Value) -> Fallible<Value> {
    let own = platform.mock.party();
    let to = receiver(asked)?;
    let at = |module: ModuleId| -> ModuleClient<'_> {
        let found = client.peer(hub, own.clone()).module(module);
        to.clone().map_or_else(|| found.clone().open_routing(), |party| found.clone().to(party))
    };
    let query = || match asked["since"].as_str() {
        Some(since) => since.parse().map(PageQuery::since).unwrap_or_default(),
        None => PageQuery::new(),
    };
    match text(asked, "do") {
        "list locations" => Ok(json!(LocationsSender::new(at(ModuleId::Locations)).list(query())?.collect_all().await?)),
        "list tariffs" => Ok(json!(TariffsSender::new(at(ModuleId::Tariffs)).list(query())?.collect_all().await?)),
        "list sessions" => Ok(json!(SessionsSender::new(at(ModuleId::Sessions)).list(query())?.collect_all().await?)),
        "list cdrs" => Ok(json!(CdrsClient::new(at(ModuleId::Cdrs)).list(query())?.collect_all().await?)),
        "list tokens" => Ok(json!(TokensSender::new(at(ModuleId::Tokens)).list(query())?.collect_all().await?)),
        "list client info" => {
            let session = client.peer(hub, own.clone());
            Ok(json!(session.hub_client_info().list(query())?.collect_all().await?))
        }
        "get location" => Ok(json!(LocationsSender::new(at(ModuleId::Locations)).location(text(asked, "id")).await?)),
        "get evse" => {
            let locations = LocationsSender::new(at(ModuleId::Locations));
            Ok(json!(locations.evse(text(asked, "id"), text(asked, "evse")).await?))
        }
        "get cdr" => Ok(at(ModuleId::Cdrs).get(Url::new(text(asked, "url"))?).await?),
        "authorize" => {
            let place = asked.get("location").map(|_| read(asked, "location")).transpose()?;
            let tokens = TokensSender::new(at(ModuleId::Tokens));
            Ok(json!(tokens.authorize(text(asked, "uid"), None, place.as_ref()).await?))
        }
        "put location" => {
            let locations = LocationsReceiver::new(at(ModuleId::Locations));
            Ok(json!(locations.put_location(own, &read(asked, "object")?).await?))
        }
        "patch evse" => {
            let patch = Patch::<Value>::from_value(asked["patch"].clone());
            let locations = LocationsReceiver::new(at(ModuleId::Locations));
            Ok(json!(locations.patch(own, text(asked, "id"), Some(text(asked, "evse")), None, &patch).await?))
        }
        "put tariff" => {
            Ok(json!(TariffsReceiver::new(at(ModuleId::Tariffs)).put_tariff(own, &read(asked, "object")?).await?))
        }
        "delete tariff" => {
            Ok(json!(TariffsReceiver::new(at(ModuleId::Tariffs)).delete_tariff(own, text(asked, "id")).await?))
        }
        "put session" => {
            Ok(json!(SessionsReceiver::new(at(ModuleId::Sessions)).put_session(own, &read(asked, "object")?).await?))
        }
        "patch session" => {
            let patch = Patch::<Value>::from_value(asked["patch"].clone());
            Ok(json!(SessionsReceiver::new(at(ModuleId::Sessions)).patch(own, text(asked, "id"), &patch).await?))
        }
        "put token" => {
            Ok(json!(TokensReceiver::new(at(ModuleId::Tokens)).put_token(own, &read(asked, "object")?).await?))
        }
        "post cdr" => Ok(json!(CdrsClient::new(at(ModuleId::Cdrs)).post(&read(asked, "object")?).await?)),
        "command" => {
            let command = command(platform, asked)?;
            Ok(json!(CommandsClient::new(at(ModuleId::Commands)).send(&command).await?))
        }
        "set charging profile" => {
            let mut body = asked["object"].clone();
            body["response_url"] = json!(callbacks(platform).charging_profile_result(text(asked, "id")));
            let profiles = ChargingProfilesClient::new(at(ModuleId::ChargingProfiles));
            Ok(json!(profiles.set_charging_profile(text(asked, "session"), &serde_json::from_value(body)?).await?))
        }
        "answer" => answer(client, hub, own, to.clone(), asked).await,
        "keep" => keep(platform, asked),
        "show" => Ok(match text(asked, "module") {
            "locations" => json!(platform.mock.locations.all()),
            "tariffs" => json!(platform.mock.tariffs.all()),
            "sessions" => json!(platform.mock.sessions.all()),
            "cdrs" => json!(platform.mock.cdrs.all()),
            _ => json!(platform.mock.tokens.all()),
        }),
        other => Err(format!("cannot do {other:?}").into()),
    }
}

fn callbacks(platform: &Platform) -> CallbackUrls {
    CallbackUrls::new(Url::new_lenient(platform.mock.credentials().url.as_str().trim_end_matches("/versions")))
}

/// `name` with `object`, whose response_url leads back here and ends in `id`. It does not have the command's name, as the
/// crate proposes: its 2.2.1 server takes a result that comes to such an address for the command itself.
fn command(platform: &Platform, asked: &Value) -> Fallible<Command> {
    let mut body = asked["object"].clone();
    body["response_url"] = json!(callbacks(platform).command_result("result", text(asked, "id")));
    Ok(match text(asked, "name") {
        "START_SESSION" => Command::StartSession(serde_json::from_value(body)?),
        "STOP_SESSION" => Command::StopSession(serde_json::from_value(body)?),
        "RESERVE_NOW" => Command::ReserveNow(serde_json::from_value(body)?),
        "CANCEL_RESERVATION" => Command::CancelReservation(serde_json::from_value(body)?),
        "UNLOCK_CONNECTOR" => Command::UnlockConnector(serde_json::from_value(body)?),
        other => return Err(format!("no command {other:?}").into()),
    })
}

/// POSTs a result to a `response_url` that came with a command or profile. The answer has no data: its status code.
async fn answer(
    client: &OcpiClient,
    hub: &Peer,
    own: &PartyRef,
    to: Option<PartyRef>,
    asked: &Value,
) -> Fallible<Value> {
    let request = OcpiRequest::new(Method::POST, Url::new(text(asked, "url"))?, ModuleId::Commands)
        .routed(RoutingHeaders { to, from: own.clone() })
        .with_body(&asked["object"])?;
    let (got, _) = client.transport().send_with_headers::<Value>(&request, hub.token(), hub.quirks()).await?;
    if !got.is_success() {
        return Err(format!("{}: {}", got.status_code.get(), got.status_message.unwrap_or_default()).into());
    }
    Ok(json!(got.status_code.get()))
}

/// Puts an object of its own into what it serves.
fn keep(platform: &Platform, asked: &Value) -> Fallible<Value> {
    Ok(json!(match text(asked, "module") {
        "locations" => platform.mock.locations.put(read(asked, "object")?),
        "tariffs" => platform.mock.tariffs.put(read(asked, "object")?),
        "sessions" => platform.mock.sessions.put(read(asked, "object")?),
        "cdrs" => platform.mock.cdrs.put(read(asked, "object")?),
        _ => platform.mock.tokens.put(read(asked, "object")?),
    }))
}
