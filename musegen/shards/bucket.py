"""Finding an S3 bucket."""

import os
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from musegen.errors import BadParams, Unavailable

SCHEME = "s3:/"  # a `Path` keeps no more of it


def connect(address: str) -> tuple[pafs.S3FileSystem, str]:
    """The service that `s3://bucket/prefix` lies at, and `bucket/prefix`.

    It is found by the usual variables: `AWS_ENDPOINT_URL` for another service than Amazon's, `AWS_REGION`, and those of
    the credentials. Raises `BadParams` for an address that is none, `Unavailable` where it can't be found.
    """
    prefix = address.removeprefix(SCHEME).strip("/")
    if not prefix:
        raise BadParams(f"{address}: it names no bucket; write s3://bucket/prefix")
    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    service = {"endpoint_override": endpoint.netloc + endpoint.path.rstrip("/"), "scheme": endpoint.scheme}
    try:
        region = region or ("us-east-1" if endpoint.netloc else pafs.resolve_s3_region(prefix.partition("/")[0]))
        found = pafs.S3FileSystem(region=region, connect_timeout=10.0, **(service if endpoint.netloc else {}))
    except (OSError, pa.ArrowException) as error:
        raise Unavailable(f"{address}: it can't be found ({error}); see to AWS_REGION and the network") from error
    return found, prefix
