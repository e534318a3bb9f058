#!/usr/bin/env ruby
# frozen_string_literal: true

# The transcription script of bbb-record-ai-summary: transcribe.rb AUDIO OUT.json EVENTS.xml
#
# Install it as /usr/local/bigbluebutton/core/lib/transcription/transcribe.rb. It is called once for each microphone of
# a meeting. The first call sends the whole meeting: every microphone becomes the track of its speaker, and their mix
# the recording. Each call writes the passages of its own microphone, so the perceived emotion and the turns of the
# conversation come from one transcript.
#
# Environment, or the file /etc/undertone/bigbluebutton.env with lines NAME=value:
#
#   UNDERTONE_URL      https://undertone.example.org
#   UNDERTONE_KEY      an API key with the scopes recordings:write and transcripts:read
#   UNDERTONE_OPTIONS  options of every job as JSON, such as {"purpose": "research"} (optional)
#   UNDERTONE_WAIT     seconds to wait for the transcript; default 7200 (optional)
#
# It needs ffmpeg, which every BigBlueButton server has, and only the standard library of Ruby.

require "digest"
require "json"
require "net/http"
require "open3"
require "rexml/document"
require "securerandom"
require "tmpdir"
require "uri"

SETTINGS = "/etc/undertone/bigbluebutton.env"
RATE = 16_000
POLL_SECONDS = 5
MAX_TRACKS = 16
ENDED = %w[done failed cancelled].freeze

# A microphone: its file, its speaker, and when it starts, in seconds from the first microphone of the meeting.
Microphone = Struct.new(:path, :speaker, :start)

class Failure < StandardError; end

def settings
  @settings ||= begin
    lines = File.exist?(SETTINGS) ? File.readlines(SETTINGS, chomp: true) : []
    stored = lines.reject { |line| line.start_with?("#") }.filter_map { |line| line.split("=", 2) if line.include?("=") }
    stored.to_h.merge(ENV.to_h)
  end
end

# The microphones that EVENTS.xml lists and that are beside AUDIO. Names come from the participants' join events.
def microphones(audio, events)
  names = {}
  published = {}
  events.elements.each("recording/event") do |event|
    text = ->(name) { event.elements[name]&.text.to_s }
    case event.attributes["eventname"]
    when "ParticipantJoinEvent" then names[text["userId"]] = text["name"]
    when "AudioTrackPublishedEvent"
      published[File.basename(text["filename"])] ||= [text["userId"], text["timestampUTC"].to_i]
    end
  end
  first = published.values.map(&:last).min || 0
  published[File.basename(audio)] ||= ["", first]
  published.filter_map do |file, (user, at)|
    path = File.join(File.dirname(audio), file)
    name = names[user].to_s.empty? ? File.basename(file, ".*") : names[user]
    Microphone.new(path, name, (at - first) / 1000.0) if File.exist?(path)
  end
end

# One aligned file for each speaker: a speaker who reconnected has several microphones.
def tracks(found, folder)
  found.group_by(&:speaker).first(MAX_TRACKS).each_with_index.map do |(speaker, parts), number|
    path = File.join(folder, "track-#{number}.flac")
    mix(parts.map { |part| [part.path, part.start] }, path)
    [speaker, path]
  end
end

def mix(files, path)
  inputs = files.flat_map { |file, _| ["-i", file] }
  delays = files.each_with_index.map { |(_, start), number| "[#{number}:a]adelay=#{(start * 1000).round}:all=1[d#{number}]" }
  joined = files.each_index.map { |number| "[d#{number}]" }.join
  filter = (delays + ["#{joined}amix=inputs=#{files.size}:normalize=0[out]"]).join(";")
  options = ["-filter_complex", filter, "-map", "[out]", "-ac", "1", "-ar", RATE.to_s, "-c:a", "flac", path]
  output, status = Open3.capture2e("ffmpeg", "-nostdin", "-v", "error", "-y", *inputs, *options)
  raise Failure, "ffmpeg failed: #{output.lines.last}" unless status.success?
end

# The calls for one meeting run side by side, so a lock lets the first of them submit the job.
def job_of(meeting, found)
  folder = File.join(Dir.tmpdir, "undertone-#{Process.uid}")
  Dir.mkdir(folder, 0o700) unless Dir.exist?(folder)
  File.open(File.join(folder, Digest::SHA256.hexdigest(meeting)), File::RDWR | File::CREAT, 0o600) do |file|
    file.flock(File::LOCK_EX)
    known = file.read.strip
    return known unless known.empty? || request(Net::HTTP::Get, "/v1/jobs/#{known}").code == "404"

    id = submit(meeting, found)
    file.rewind
    file.truncate(0)
    file.write(id)
    return id
  end
end

def submit(meeting, found)
  Dir.mktmpdir do |folder|
    made = tracks(found, folder)
    whole = File.join(folder, "meeting.flac")
    mix(made.map { |_, path| [path, 0] }, whole)
    options = JSON.parse(settings["UNDERTONE_OPTIONS"] || "{}")
    options["metadata"] = (options["metadata"] || {}).merge("source" => { "platform" => "bigbluebutton", "meeting" => meeting })
    fields = options.map { |name, value| [name, value.is_a?(String) ? value : JSON.generate(value)] }
    fields << ["file", File.open(whole, "rb"), { filename: "meeting.flac" }]
    made.each { |speaker, path| fields << ["track", File.open(path, "rb"), { filename: "#{speaker.tr('"\\/', "'  ")}.flac" }] }
    answer = request(Net::HTTP::Post, "/v1/recordings") { |post| post.set_form(fields, "multipart/form-data") }
    raise Failure, "the service refused the recording (#{answer.code}): #{answer.body}" unless answer.code == "202"

    return JSON.parse(answer.body)["id"]
  end
end

def request(kind, path)
  address = URI(settings.fetch("UNDERTONE_URL").chomp("/") + path)
  call = kind.new(address)
  call["Authorization"] = "Bearer #{settings.fetch('UNDERTONE_KEY')}"
  yield call if block_given?
  Net::HTTP.start(address.host, address.port, use_ssl: address.scheme == "https", read_timeout: 600) do |http|
    http.request(call)
  end
end

def transcript_of(job)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + Float(settings["UNDERTONE_WAIT"] || 7200)
  loop do
    state = JSON.parse(request(Net::HTTP::Get, "/v1/jobs/#{job}").body)
    break if state["status"] == "done"
    raise Failure, "the job #{state['status']}: #{state.dig('error', 'message')}" if ENDED.include?(state["status"])
    raise Failure, "the transcript is not ready in time" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline

    sleep(POLL_SECONDS)
  end
  JSON.parse(request(Net::HTTP::Get, "/v1/transcripts/#{job}.json").body)
end

# The utterances of the microphone's speaker that begin while it records, on the microphone's own clock.
def passages(transcript, microphone, others)
  speakers = transcript["speakers"].select { |one| one["name"] == microphone.speaker }.map { |one| one["id"] }
  later = others.select { |one| one.speaker == microphone.speaker && one.start > microphone.start }.map(&:start).min
  said = transcript["utterances"].select do |one|
    speakers.include?(one["speaker"]) && one["start"] >= microphone.start && (later.nil? || one["start"] < later)
  end
  said.map do |one|
    from, to = [one["start"], one["end"]].map { |at| ((at - microphone.start) * 1000).round }
    { "offsets" => { "from" => from, "to" => to }, "text" => one["text"] }
  end
end

def main(audio, output, events_path)
  events = REXML::Document.new(File.read(events_path))
  found = microphones(audio, events)
  mine = found.find { |one| File.basename(one.path) == File.basename(audio) }
  raise Failure, "there is no #{audio}" if mine.nil?

  meeting = events.root&.attributes&.[]("meeting_id") || File.dirname(File.expand_path(audio))
  transcript = transcript_of(job_of(meeting, found))
  result = { "transcription" => passages(transcript, mine, found), "language" => transcript["language"] }
  File.write("#{output}.new", JSON.generate(result))
  File.rename("#{output}.new", output)
end

begin
  raise Failure, "usage: transcribe.rb AUDIO OUT.json EVENTS.xml" unless ARGV.size == 3

  main(*ARGV)
rescue Failure, KeyError, SystemCallError, SocketError, JSON::ParserError, REXML::ParseException => e
  warn("undertone: #{e.message}")
  exit(1)
end
