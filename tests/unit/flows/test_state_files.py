"""What a backup takes of a project, and which of it is secret."""

from __future__ import annotations

from pathlib import Path

from seatrial.config import load_settings
from seatrial.flows.state_files import home_files, secret_paths, text_without_secrets


def test_files_of_keys_are_secrets_and_certificates_are_not(tmp_path: Path) -> None:
    overrides = {"serving.tls_key_file": "a/key.pem", "serving.tls_cert_file": "cert.pem", "control.tokens_file": "/t"}
    settings = load_settings(tmp_path, environment={}, overrides=overrides)
    assert secret_paths(settings) == {tmp_path.resolve() / "a" / "key.pem", Path("/t")}


def test_passwords_of_settings_and_comments_are_hidden(tmp_path: Path) -> None:
    text = '# was postgresql://old:pw1@db/x\n[store]\ndatabase_url = "postgresql://ann:p@w2@db/x?sslpassword=pw3&a=1"\n'
    (tmp_path / "seatrial.toml").write_text(text)
    shown = text_without_secrets(load_settings(tmp_path, environment={}), text)
    assert shown == (
        '# was postgresql://old:***@db/x\n[store]\ndatabase_url = "postgresql://ann:***@db/x?sslpassword=***&a=1"\n'
    )


def test_what_can_be_made_again_or_is_not_whole_is_no_state(tmp_path: Path) -> None:
    home = tmp_path / ".seatrial"
    for name in (
        "seatrial.db", "seatrial.db-wal", "mlflow.db", "mlflow.db-shm", ".lock", "traffic.json", "cache/step/key/x",
        "bundles/index.json", "reports/.m.partial-abcd1234/x", ".traffic.json.abcd1234", "journal/.lock",
        "reports/m/1/report.html", "journal/1.journal", "mlartifacts/1/.hidden.abcd1234", "tallies/r-1",
    ):  # fmt: skip
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    taken = {path.relative_to(home).as_posix() for path in home_files(load_settings(tmp_path, environment={}))}
    assert taken == {
        "reports/m/1/report.html", "journal/1.journal", "mlartifacts/1/.hidden.abcd1234", "tallies/r-1",
    }  # fmt: skip
