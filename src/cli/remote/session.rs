//! Calls to the service over one connection: reads, lists and effects.

use std::future::Future;
use std::time::Duration;

use prost::Message;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::connection::{Connection, Credential};
use super::failure::{Failure, Repeat, UUID};
use super::show::{Output, Shown};
use super::wiped::{self, HoldsPassword, Wiped};
use crate::domain::ids::RequestId;
use crate::proto::v1::ErrorReason;
use crate::server::Outside;

/// Patience with one call. The service itself gives up after 10 s, and what it says then is better than silence.
const PATIENCE: Duration = Duration::from_secs(15);
/// Entries of a page: the most that the service gives.
const PAGE: u32 = 500;

/// What the generated clients call through.
pub(in crate::cli) type Service = InterceptedService<Channel, Credential>;

/// How much of a list is wanted.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ListArgs {
    /// End after this many entries; without it the list is followed to its end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// How something is done that has no etag.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct EffectArgs {
    /// Repeat a request whose answer was lost: the id that the error named. It is done once
    #[arg(long, value_name = "UUID", value_parser = parse_request_id)]
    request_id: Option<RequestId>,
}

/// How something is changed that has an etag.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ChangeArgs {
    /// Change it only if this is still its etag; without it, the current one is read first and used
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,

    /// Repeat a request whose answer was lost: the id that the error named, with its etag. It is done once
    #[arg(long, value_name = "UUID", value_parser = parse_request_id, requires = "etag")]
    request_id: Option<RequestId>,
}

impl EffectArgs {
    /// Tells whether a request is repeated.
    pub(in crate::cli) const fn is_repeated(&self) -> bool {
        self.request_id.is_some()
    }
}

/// Reads the id of a request.
fn parse_request_id(text: &str) -> Result<RequestId, String> {
    RequestId::parse(text).map_err(|_| format!("must be a UUID like {UUID}, as the error named it"))
}

/// What an effect brings along.
pub(in crate::cli) struct Change {
    request_id: String,
    etag: Option<String>,
}

impl Change {
    /// The id of the request.
    pub(in crate::cli) fn request_id(&self) -> String {
        self.request_id.clone()
    }

    /// The etag of what is changed; empty if there is none.
    pub(in crate::cli) fn etag(&self) -> String {
        self.etag.clone().unwrap_or_default()
    }

    fn repeat(&self) -> Repeat {
        Repeat { request_id: self.request_id.clone(), etag: self.etag.clone() }
    }
}

/// A connection to the service, and where answers go.
pub(in crate::cli) struct Session {
    server: String,
    service: Service,
    output: Output,
    outside: Outside,
    missing: &'static str,
}

impl Session {
    /// Connects. `missing` is said where the service knows no such thing: a sentence with what may be meant, and how
    /// to look for it.
    ///
    /// # Errors
    /// [`Failure`] if there is no token, no way to the service, or the way is not safe.
    pub(in crate::cli) async fn open(connection: &Connection, missing: &'static str) -> anyhow::Result<Self> {
        let (channel, credential) = connection.connect().await?;
        Ok(Self {
            server: connection.server().to_owned(),
            service: InterceptedService::new(channel, credential),
            output: Output::new(connection.json())?,
            outside: Outside::system(),
            missing,
        })
    }

    /// What a client of the service calls through.
    pub(in crate::cli) fn service(&self) -> Service {
        self.service.clone()
    }

    /// Waits for the answer to a call that changes nothing.
    ///
    /// # Errors
    /// [`Failure`] if there is none, or if it is a refusal.
    pub(in crate::cli) async fn read<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        self.answer(call, None).await
    }

    /// Waits for the answer to a call that changes something.
    ///
    /// # Errors
    /// [`Failure`] if there is none, or if it is a refusal.
    pub(in crate::cli) async fn done<T>(
        &self,
        change: &Change,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        self.answer(call, Some(change)).await
    }

    /// Sends a request that is wiped of its password, and waits for the answer as [`Self::done`] does.
    ///
    /// # Errors
    /// [`Failure`] if there is none, or if it is a refusal.
    pub(in crate::cli) async fn done_wiping<M>(&self, change: &Change, request: Wiped<M>) -> Result<M::Answer, Failure>
    where
        M: HoldsPassword + Message + 'static,
        M::Answer: Message + Default + 'static,
    {
        self.done(change, wiped::call(self.service(), request)).await
    }

    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
        change: Option<&Change>,
    ) -> Result<T, Failure> {
        let repeat = change.map(Change::repeat);
        match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Failure::of_call(&status, &self.server, self.missing, repeat)),
            Err(_) => Err(Failure::Silent { server: self.server.clone(), repeat }),
        }
    }

    /// What an answer must carry.
    ///
    /// # Errors
    /// [`Failure::Foreign`] if it is not there.
    pub(in crate::cli) fn required<T>(&self, part: Option<T>) -> Result<T, Failure> {
        part.ok_or_else(|| Failure::Foreign {
            server: self.server.clone(),
            description: "the answer lacks a part".to_owned(),
            repeat: None,
        })
    }

    /// Prepares something that has no etag.
    pub(in crate::cli) fn effect(&self, args: &EffectArgs) -> Change {
        Change { request_id: self.request_id(args.request_id), etag: None }
    }

    /// Prepares a change of something that has an etag; `current` reads it, and is not asked if the arguments name one.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    pub(in crate::cli) async fn change(
        &self,
        args: &ChangeArgs,
        current: impl Future<Output = Result<String, Failure>>,
    ) -> Result<Change, Failure> {
        let etag = match &args.etag {
            Some(etag) => etag.clone(),
            None => current.await?,
        };
        Ok(Change { request_id: self.request_id(args.request_id), etag: Some(etag) })
    }

    /// Prepares putting an entry of the catalogue under a key: as [`Self::change`], but where `current` finds nothing the
    /// entry is to be new.
    ///
    /// # Errors
    /// Whatever else keeps it from being read.
    pub(in crate::cli) async fn put(
        &self,
        args: &ChangeArgs,
        current: impl Future<Output = Result<String, Failure>>,
    ) -> Result<Change, Failure> {
        match self.change(args, current).await {
            Err(failure) if failure.is(ErrorReason::NotFound) => {
                Ok(Change { request_id: self.request_id(args.request_id), etag: Some(String::new()) })
            }
            prepared => prepared,
        }
    }

    /// The id to repeat a request with, or one that nobody has used.
    fn request_id(&self, repeated: Option<RequestId>) -> String {
        let Outside { clock, random, .. } = &self.outside;
        repeated.unwrap_or_else(|| RequestId::new(clock.now(), &**random)).to_string()
    }

    /// Shows one thing.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(in crate::cli) fn show<T: Shown>(&self, item: &T) -> anyhow::Result<()> {
        self.output.one(item)
    }

    /// Shows the answer of the given full name: people see what `for_people` says.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(in crate::cli) fn show_answer<M: Message>(
        &self,
        name: &str,
        answer: &M,
        for_people: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        self.output.answer(name, answer, for_people)
    }

    /// Shows a list: follows its pages to the end, or to the limit. `page` takes the size of a page and where it
    /// begins, and gives the entries and where the next one begins.
    ///
    /// # Errors
    /// Whatever keeps a page from being read or shown.
    pub(in crate::cli) async fn list<T: Shown>(
        &self,
        args: &ListArgs,
        mut page: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), Failure>,
    ) -> anyhow::Result<()> {
        let mut list = self.output.list();
        let mut left = args.limit.unwrap_or(u32::MAX);
        let mut begin = String::new();
        loop {
            let size = i32::try_from(left.min(PAGE))?;
            let (items, next) = page(size, begin).await?;
            let wanted = items.get(..usize::try_from(left)?).unwrap_or(&items);
            list.add(wanted)?;
            left = left.saturating_sub(u32::try_from(wanted.len())?);
            if next.is_empty() || left == 0 {
                return list.end::<T>();
            }
            begin = next;
        }
    }
}
