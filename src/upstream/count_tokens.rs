//! How many tokens a request is, by the count of the upstream that would answer it.

use std::time::Duration;

use bytes::Bytes;

use super::attempt::ERROR_BODY_MAX;
use super::job::Job;
use crate::dialect::transcode::{Rendered, render};
use crate::route::Target;

/// A count that takes longer is estimated.
const WAIT: Duration = Duration::from_secs(10);

/// The tokens of the job's input, in the target's own count; `None` when it does not tell.
pub async fn count_tokens(job: &Job, target: &Target) -> Option<Bytes> {
    let upstream = target.upstream(job.client);
    let Ok(Rendered::Passthrough(body)) = render(&job.body, &job.peek, job.client, target.endpoint().dialect, &upstream) else {
        return None;
    };
    let fresh = job.with_live_key(target, 0).await?;
    let target = fresh.as_ref().unwrap_or(target);
    let request = job.request(target, target.provider.keys.first(), "/v1/messages/count_tokens", body).ok()?;
    let answer = tokio::time::timeout(WAIT, job.upstreams.client.send(request)).await.ok()?.ok()?;
    let (head, body) = answer.into_parts();
    let body = body.read_whole(ERROR_BODY_MAX, WAIT).await.ok()?;
    #[derive(serde::Deserialize)]
    struct Counted {
        #[serde(rename = "input_tokens")]
        _input_tokens: u64,
    }
    (head.status.is_success() && serde_json::from_slice::<Counted>(&body).is_ok()).then_some(body)
}
