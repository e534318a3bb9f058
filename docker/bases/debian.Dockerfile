# Debian without manuals, like other small images, and with the certificates that the host trusts.
ARG FROM
FROM ${FROM}
ENV DEBIAN_FRONTEND=noninteractive
# In a separate folder: Debian's package of certificates rewrites the usual file.
COPY ca-certificates.crt /etc/undertone-base/ca-certificates.crt
RUN printf 'path-exclude /usr/share/%s/*\n' doc man locale info >/etc/dpkg/dpkg.cfg.d/no-manuals \
    && printf '%s\n' 'Acquire::Languages "none";' 'APT::Install-Recommends "false";' \
       'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };' >/etc/apt/apt.conf.d/small \
    && printf '[global]\ncert = /etc/undertone-base/ca-certificates.crt\ntimeout = 180\n' >/etc/pip.conf
CMD ["bash"]
