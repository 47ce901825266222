-- Said at the end of every run, in one line that a program can read. Appended to each workload's own script.
done = function(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        "figures: requests=%d microseconds=%d bytes=%d status=%d connect=%d read=%d write=%d timeout=%d\n",
        summary.requests, summary.duration, summary.bytes,
        errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
