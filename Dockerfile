# evocache serve, for the CPU; for NVIDIA GPUs: docker build --build-arg TORCH_INDEX=https://pypi.org/simple .
FROM python:3.11-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    OMP_WAIT_POLICY=PASSIVE \
    EVOCACHE_HOME=/data/evocache \
    HF_HOME=/data/hub

RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin evocache \
    && install -d -m 0700 -o evocache -g evocache /data

WORKDIR /build
COPY constraints.txt ./
RUN pip install --index-url "$TORCH_INDEX" "$(grep '^torch==' constraints.txt)"
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install -c constraints.txt ".[serve,video]" && rm -rf /build/*

WORKDIR /data
USER evocache
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

# docker stop waits ten seconds. Others than the container reach it, so that it begins only where there are keys:
# docker run --rm -v evocache:/data evocache keys create ann --folder /data
ENTRYPOINT ["evocache"]
CMD ["serve", "--host", "0.0.0.0", "--folder", "/data", "--drain", "5", "--log-format", "json"]
