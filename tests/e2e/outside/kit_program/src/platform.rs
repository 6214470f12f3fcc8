//! What the crate's `MockPeer` leaves out: commands, charging profiles and hub client info. All is accepted.

use ocpi_kit::server::{
    ChargingProfilesReceiver, ChargingProfilesSender, CommandsReceiver, CommandsSender, Created, Handled,
    HubClientInfoReceiver, RequestContext,
};
use ocpi_kit::testkit::MockPeer;
use ocpi_kit::transport::OcpiError;
use ocpi_kit::types::{PartyRef, Url};
use ocpi_kit::v2_3_0::charging_profiles::{
    ActiveChargingProfile, ActiveChargingProfileResult, ChargingProfileResponse, ChargingProfileResponseType,
    ChargingProfileResult, ClearProfileResult, SetChargingProfile,
};
use ocpi_kit::v2_3_0::commands::{Command, CommandResponse, CommandResponseType, CommandResult};
use ocpi_kit::v2_3_0::hub_client_info::ClientInfo;

#[derive(Clone)]
pub struct Platform {
    pub mock: MockPeer,
}

impl Platform {
    pub fn new(mock: MockPeer) -> Self {
        Self { mock }
    }
}

fn accepted() -> ChargingProfileResponse {
    ChargingProfileResponse::builder().result(ChargingProfileResponseType::Accepted).timeout(30u32).build()
}

impl CommandsReceiver for Platform {
    async fn command(&self, _command: Command, _context: RequestContext) -> Handled<CommandResponse> {
        Ok(CommandResponse::builder().result(CommandResponseType::Accepted).timeout(30u32).build())
    }
}

impl CommandsSender for Platform {
    async fn command_result(&self, _id: String, _result: CommandResult, _context: RequestContext) -> Handled<()> {
        Ok(())
    }
}

impl ChargingProfilesReceiver for Platform {
    async fn active_charging_profile(
        &self,
        _session_id: String,
        _duration_seconds: u64,
        _response_url: Url,
        _context: RequestContext,
    ) -> Handled<ChargingProfileResponse> {
        Ok(accepted())
    }

    async fn set_charging_profile(
        &self,
        _session_id: String,
        _request: SetChargingProfile,
        _context: RequestContext,
    ) -> Handled<ChargingProfileResponse> {
        Ok(accepted())
    }

    async fn clear_charging_profile(
        &self,
        _session_id: String,
        _response_url: Url,
        _context: RequestContext,
    ) -> Handled<ChargingProfileResponse> {
        Ok(accepted())
    }
}

impl ChargingProfilesSender for Platform {
    async fn active_charging_profile_result(
        &self,
        _id: String,
        _result: ActiveChargingProfileResult,
        _context: RequestContext,
    ) -> Handled<()> {
        Ok(())
    }

    async fn charging_profile_result(
        &self,
        _id: String,
        _result: ChargingProfileResult,
        _context: RequestContext,
    ) -> Handled<()> {
        Ok(())
    }

    async fn clear_profile_result(
        &self,
        _id: String,
        _result: ClearProfileResult,
        _context: RequestContext,
    ) -> Handled<()> {
        Ok(())
    }

    async fn put_active_charging_profile(
        &self,
        _session_id: String,
        _profile: ActiveChargingProfile,
        _context: RequestContext,
    ) -> Handled<()> {
        Ok(())
    }
}

impl HubClientInfoReceiver for Platform {
    async fn client_info(&self, party: PartyRef, _context: RequestContext) -> Handled<ClientInfo> {
        Err(OcpiError::NotFound(format!("nothing is kept of {party}")))
    }

    async fn put_client_info(
        &self,
        _party: PartyRef,
        _info: ClientInfo,
        _context: RequestContext,
    ) -> Handled<Created> {
        Ok(Created::Yes)
    }
}
