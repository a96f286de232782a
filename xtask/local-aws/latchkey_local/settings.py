"""What one local AWS is started with, and the environment MiniStack reads it from."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """One local AWS: its port on 127.0.0.1, the vendor's account, its files, CloudFormation's account."""

    port: int
    account: str
    data_dir: Path
    cloudformation_account: str


def replace_environment(settings):
    """Replace this process's whole environment by what MiniStack needs.

    MiniStack hands its own environment on to every Lambda process. What the developer's shell
    holds (credentials above all) must not reach them, so nothing but PATH is kept.
    """
    home, temporary = settings.data_dir / "home", settings.data_dir / "tmp"
    home.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("PATH", os.defpath)
    os.environ.clear()
    os.environ.update({
        "PATH": path,
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(settings.port),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{settings.port}",
        "AUTH": "true",
        "MINISTACK_ACCOUNT_ID": settings.account,
        # MiniStack's defaults for these two are under /tmp, shared by all instances.
        "STATE_DIR": str(settings.data_dir / "state"),
        "S3_DATA_DIR": str(settings.data_dir / "s3"),
        # At INFO it logs the beginning of every SNS message; ours carry a ResponseURL.
        "LOG_LEVEL": "WARNING",
        # Two listeners we do not use, one of them not on loopback.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # At start it removes the containers that an earlier MiniStack left, perhaps someone else's.
        "DOCKER_HOST": f"unix://{settings.data_dir}/no-docker.sock",
    })
