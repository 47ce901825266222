//! The headers middleware.

use std::collections::BTreeMap;

use crate::decode::options;

options! {
    /// `headers`. The CORS and security groups are recognised and answered with a clear diagnostic until they work.
    section struct Headers {
        custom_request_headers: BTreeMap<String, String> = BTreeMap::new(), "customRequestHeaders", "", "Request headers to set; an empty value removes.";
        custom_response_headers: BTreeMap<String, String> = BTreeMap::new(), "customResponseHeaders", "", "Response headers to set; an empty value removes.";
    }
}
