//! `POST /v1/messages/count_tokens`: asked of an upstream that has it, estimated for the others. Never a 404: Claude
//! Code answers that with a paid request per item.

use http::{HeaderValue, Response};

use super::reply::{self, ReplyBody};
use crate::dialect::Dialect;
use crate::upstream::{Job, count_tokens};

/// The count of the job's first target.
pub(super) async fn count(job: &Job) -> Response<ReplyBody> {
    if let Some(target) = job.plan.targets.first()
        && target.endpoint().dialect == Dialect::AnthropicMessages
        && let Some(body) = count_tokens(job, target).await
    {
        return reply::json(200, body);
    }
    let mut response = reply::json(200, format!("{{\"input_tokens\":{}}}", job.input_estimate));
    response.headers_mut().insert("x-aimux-estimate", HeaderValue::from_static("true"));
    response
}
