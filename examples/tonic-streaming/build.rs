//! Generates the service from its description here: no `protoc` is needed.

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn main() {
    let service = Service::builder()
        .package("chat")
        .name("Chat")
        .method(
            method("watch", "Watch")
                .input_type("crate::WatchRequest")
                .output_type("crate::Message")
                .server_streaming()
                .build(),
        )
        .method(
            method("publish", "Publish")
                .input_type("crate::Message")
                .output_type("crate::Published")
                .build(),
        )
        .method(
            method("watchers", "Watchers")
                .input_type("crate::WatchersRequest")
                .output_type("crate::WatchersReply")
                .build(),
        )
        .build();
    Builder::new().compile(&[service]);
}

fn method(name: &str, route: &str) -> MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .codec_path("tonic_prost::ProstCodec")
}
